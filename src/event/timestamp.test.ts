import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAnyForm } from './parse-event.ts';
import {
  checkTimestamp,
  TIMESTAMP_PATTERN,
  USUAL_TIMESTAMP_PATTERN,
  YEAR_MAX,
  YEAR_MIN,
} from './timestamp.ts';
import { parseUsualForm } from './usual-form.ts';

/** The stored value of a JSON source text, or the type of its error in angle brackets. */
function verdictOf(source: string): string {
  const verdict = checkTimestamp(source);
  return verdict.ok ? verdict.value : `<${verdict.type}>`;
}

const AT = '2023-10-27T10:00:00.000000Z';

/**
 * How clients write 10:00 UTC, or 12:00 in Paris, on 27 October 2023: who, the JSON source text, and
 * what is stored or why it is refused. Each library was run to get its spelling, except .NET, Swift
 * and the databases other than PostgreSQL and SQLite, whose manuals give it.
 */
const SPELLINGS: readonly (readonly [writer: string, source: string, expected: string])[] = [
  // RFC 3339
  ['JavaScript Date.toISOString, JSON.stringify, dayjs, moment', '"2023-10-27T10:00:00.000Z"', AT],
  ['Go time.Time in JSON', '"2023-10-27T10:00:00Z"', AT],
  ['Java Instant.toString', '"2023-10-27T10:00:00.120Z"', '2023-10-27T10:00:00.120000Z'],
  ['Python datetime.isoformat', '"2023-10-27T10:00:00+00:00"', AT],
  ['Pydantic model_dump_json', '"2023-10-27T10:00:00.123456Z"', '2023-10-27T10:00:00.123456Z'],
  ['PHP DATE_ATOM and date("c")', '"2023-10-27T12:00:00+02:00"', AT],
  ['PHP DATE_RFC3339_EXTENDED', '"2023-10-27T12:00:00.123+02:00"', '2023-10-27T10:00:00.123000Z'],
  ['Jackson Date since 2.11', '"2023-10-27T10:00:00.000+00:00"', AT],
  ['.NET DateTime.ToString("O")', '"2023-10-27T10:00:00.0000000Z"', AT],
  [
    '.NET DateTimeOffset.ToString("O")',
    '"2023-10-27T12:00:00.1234567+02:00"',
    '2023-10-27T10:00:00.123456Z',
  ],
  ['Go time.RFC3339Nano', '"2023-10-27T12:00:00.123456789+02:00"', '2023-10-27T10:00:00.123456Z'],
  ['PostgreSQL to_json in Asia/Kolkata', '"2023-10-27T15:30:00+05:30"', AT],
  ['PostgreSQL to_json', '"2023-10-27T12:00:00.12+02:00"', '2023-10-27T10:00:00.120000Z'],
  ['RFC 3339, local offset unknown', '"2023-10-27T10:00:00-00:00"', AT],
  ['RFC 3339 in lower case', '"2023-10-27t10:00:00z"', AT],

  // Seconds left out
  ['Java OffsetDateTime.toString at second 0, in UTC', '"2023-10-27T10:00Z"', AT],
  ['Java OffsetDateTime.toString at second 0', '"2023-10-27T12:00+02:00"', AT],
  ['Python isoformat(timespec="minutes")', '"2023-10-27T10:00+00:00"', AT],
  ['GNU date -Iminutes, luxon suppressSeconds', '"2023-10-27T12:00+02:00"', AT],

  // A zone without colon
  ['PHP DATE_ISO8601', '"2023-10-27T12:00:00+0200"', AT],
  ['PHP gmdate(DATE_ISO8601), Python strftime %z', '"2023-10-27T10:00:00+0000"', AT],
  ['Jackson Date before 2.11', '"2023-10-27T12:00:00.000+0200"', AT],
  ['Java SimpleDateFormat Z, Perl and bash %z', '"2023-10-27T12:00:00+0200"', AT],

  // Only the hours of a zone
  ['PostgreSQL timestamptz::text in UTC', '"2023-10-27 10:00:00+00"', AT],
  ['PostgreSQL timestamptz::text', '"2023-10-27 12:00:00.12+02"', '2023-10-27T10:00:00.120000Z'],
  ['PostgreSQL to_char with OF', '"2023-10-27T10:00:00+00"', AT],
  ['Java SimpleDateFormat X', '"2023-10-27T12:00:00+02"', AT],

  // A space for T
  ['Python str(datetime), Arrow format(), Pendulum', '"2023-10-27 10:00:00+00:00"', AT],
  ['pandas Timestamp as str', '"2023-10-27 10:00:00.123456+00:00"', '2023-10-27T10:00:00.123456Z'],
  ['GNU date --rfc-3339=seconds', '"2023-10-27 12:00:00+02:00"', AT],
  ['PostgreSQL timestamptz::text in Asia/Kolkata', '"2023-10-27 15:30:00+05:30"', AT],
  ['Elixir DateTime.to_string, .NET ToString("u")', '"2023-10-27 10:00:00Z"', AT],

  // A space before the zone
  ['Ruby Time#to_s and #to_json, git %ci, Swift Date', '"2023-10-27 12:00:00 +0200"', AT],
  ['Ruby Time#inspect', '"2023-10-27 12:00:00.123456 +0200"', '2023-10-27T10:00:00.123456Z'],
  ['Ruby Time#to_s and #to_json in UTC, Rust chrono Utc', '"2023-10-27 10:00:00 UTC"', AT],
  ['Trino timestamp with time zone in UTC', '"2023-10-27 10:00:00.000 UTC"', AT],
  ['Rust chrono DateTime<FixedOffset>', '"2023-10-27 12:00:00 +02:00"', AT],
  ['luxon toSQL', '"2023-10-27 12:00:00.000 +02:00"', AT],
  ['luxon toSQL in UTC', '"2023-10-27 10:00:00.000 Z"', AT],
  ['SQL Server datetimeoffset', '"2023-10-27 12:00:00.0000000 +02:00"', AT],
  ['Snowflake TIMESTAMP_TZ', '"2023-10-27 12:00:00.000 +0200"', AT],

  // A comma before the fraction
  ['GNU date -Ins', '"2023-10-27T12:00:00,000000000+02:00"', AT],
  [
    'Log4j ISO8601_OFFSET_DATE_TIME_HH',
    '"2023-10-27T12:00:00,123+02"',
    '2023-10-27T10:00:00.123000Z',
  ],
  [
    'Log4j ISO8601_OFFSET_DATE_TIME_HHMM',
    '"2023-10-27T12:00:00,123+0200"',
    '2023-10-27T10:00:00.123000Z',
  ],

  // A zone with seconds
  ['Rust time with serde-human-readable', '"2023-10-27 10:00:00.0 +00:00:00"', AT],
  [
    'Python and PostgreSQL in Africa/Monrovia',
    '"1970-12-31T23:15:30-00:44:30"',
    '1971-01-01T00:00:00.000000Z',
  ],

  // The name of a zone after its offset
  ['Java ZonedDateTime.toString', '"2023-10-27T12:00+02:00[Europe/Paris]"', AT],
  ['Java ZonedDateTime.toString in UTC', '"2023-10-27T10:00Z[UTC]"', AT],
  ['Java ZonedDateTime.toString in GMT+2', '"2023-10-27T12:00+02:00[GMT+02:00]"', AT],
  ['JavaScript Temporal.ZonedDateTime in JSON', '"2023-10-27T12:00:00+02:00[Europe/Paris]"', AT],
  ['Rust jiff Zoned', '"2023-10-27T12:00:00+02:00[+02:00]"', AT],

  // No zone: the reader would have to guess it
  ['Java LocalDateTime', '"2023-10-27T12:00"', '<timezone_aware>'],
  ['Python naive datetime.isoformat', '"2023-10-27T10:00:00"', '<timezone_aware>'],
  ['SQLite datetime(), str() of a naive datetime', '"2023-10-27 10:00:00"', '<timezone_aware>'],
  ['Python logging asctime', '"2023-10-27 10:00:00,123"', '<timezone_aware>'],
  ['Java java.sql.Timestamp', '"2023-10-27 12:00:00.0"', '<timezone_aware>'],

  // Numbers: seconds, milliseconds or microseconds
  ['Jackson by default, pandas to_json', '1698400800000', '<datetime_type>'],
  ['Python time.time()', '1698400800.123', '<datetime_type>'],
  ['PHP time() as text', '"1698400800"', '<datetime_parsing>'],
  ['PHP json_encode(DateTime)', '{"date":"2023-10-27 12:00:00.123456"}', '<datetime_type>'],

  // The abbreviation of a zone may have several meanings, and its name two offsets
  ['Java SimpleDateFormat z, Python %Z', '"2023-10-27T12:00:00CEST"', '<datetime_parsing>'],
  ['PHP format "T", gmdate', '"2023-10-27 10:00:00 GMT"', '<datetime_parsing>'],
  ['Trino outside of UTC', '"2023-10-27 12:00:00.000 Europe/Paris"', '<datetime_parsing>'],
  ['Intl sv-SE with longOffset', '"2023-10-27 12:00:00 GMT+02:00"', '<datetime_parsing>'],
  // Debugging output, which its manual says not to read
  ['Go time.Time.String', '"2023-10-27 12:00:00 +0200 CEST"', '<datetime_parsing>'],
  // `!` demands that the reader checks the name of the zone (RFC 9557, section 3.4)
  ['Temporal critical', '"2023-10-27T12:00:00+02:00[!Europe/Paris]"', '<datetime_parsing>'],
  ['Temporal', '"2023-10-27T12:00+02:00[Europe/Paris][u-ca=japanese]"', '<datetime_parsing>'],
  // ISO 8601 in other formats: nothing writes them unless asked to
  ['luxon and Elixir, basic', '"20231027T100000Z"', '<datetime_parsing>'],
  ['date-fns formatISO, basic', '"20231027T120000+02:00"', '<datetime_parsing>'],
  ['Java ISO_WEEK_DATE', '"2023-W43-5+02:00"', '<datetime_parsing>'],
  ['Java ISO_ORDINAL_DATE', '"2023-300+02:00"', '<datetime_parsing>'],
  ['GNU date -Ihours', '"2023-10-27T12+02:00"', '<datetime_parsing>'],
  ['PHP DATE_ISO8601_EXPANDED', '"+2023-10-27T12:00:00+02:00"', '<datetime_parsing>'],
  ['JavaScript after the year 9999', '"+010000-01-01T00:00:00.000Z"', '<datetime_parsing>'],
  // Digits without padding
  ['.NET format "z"', '"2023-10-27T15:00:00+5"', '<datetime_parsing>'],
  ['Rust time Display', '"2023-10-27 9:05:07.25 +00:00:00"', '<datetime_parsing>'],
  // Words for months and days
  ['HTTP date, Date.toUTCString', '"Fri, 27 Oct 2023 10:00:00 GMT"', '<datetime_parsing>'],
  ['RFC 2822, Python format_datetime', '"Fri, 27 Oct 2023 10:00:00 +0000"', '<datetime_parsing>'],
  ['Java Date.toString', '"Fri Oct 27 12:00:00 CEST 2023"', '<datetime_parsing>'],
  ['JavaScript String(date)', '"Fri Oct 27 2023 12:00:00 GMT+0200"', '<datetime_parsing>'],
  // The day or the month may come first
  ['JavaScript toLocaleString, en-US', '"10/27/2023, 12:00:00 PM"', '<datetime_parsing>'],
  ['PostgreSQL infinity', '"infinity"', '<datetime_parsing>'],
];

describe('checkTimestamp', () => {
  for (const [writer, source, expected] of SPELLINGS) {
    it(`${expected.startsWith('<') ? 'refuses' : 'reads'} ${source} of ${writer}`, () => {
      assert.equal(verdictOf(source), expected);
    });
  }

  const others: Record<string, string> = {
    '"2026-01-02T03:04:05.1234569Z"': '2026-01-02T03:04:05.123456Z',
    '"2026-01-02\\u005403:04:05Z"': '2026-01-02T03:04:05.000000Z',
    '"2024-02-29T00:00:00Z"': '2024-02-29T00:00:00.000000Z',
    '"2000-02-29T00:00Z"': '2000-02-29T00:00:00.000000Z',
    '"1970-01-01T00:00:00Z"': '1970-01-01T00:00:00.000000Z',
    '"1969-12-31T23:59:59-01:00"': '1970-01-01T00:59:59.000000Z',
    '"9999-12-31T23:59:59.999999Z"': '9999-12-31T23:59:59.999999Z',
    '"1970-01-01T00:00:00+00:01"': '<datetime_parsing>',
    '"1970-01-01T00:00:00+00:00:01"': '<datetime_parsing>',
    '"9999-12-31T23:59:59-00:01"': '<datetime_parsing>',
    '"0001-01-01T00:00:00Z"': '<datetime_parsing>',
    '"0070-01-01T00:00:00Z"': '<datetime_parsing>',
    '"2023-02-29T00:00:00Z"': '<datetime_parsing>',
    '"2026-02-30 00:00Z"': '<datetime_parsing>',
    '"2026-13-01T00:00:00Z"': '<datetime_parsing>',
    '"2026-00-01T00:00:00Z"': '<datetime_parsing>',
    '"2026-01-02T24:00:00Z"': '<datetime_parsing>',
    '"2026-01-02T24:00Z"': '<datetime_parsing>',
    '"2026-12-31T23:59:60Z"': '<datetime_parsing>',
    '"2026-01-02T03:60Z"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+24:00"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+24"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+0060"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+00:00:60"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+020000"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+0200:00"': '<datetime_parsing>',
    '"2026-01-02T03:04:05 02:00"': '<datetime_parsing>',
    '"2026-01-02T03:04:05−02:00"': '<datetime_parsing>',
    '"2026-01-02T03:04.5Z"': '<datetime_parsing>',
    '"2026-01-02T03:04:05.Z"': '<datetime_parsing>',
    '"2026-01-02  03:04:05Z"': '<datetime_parsing>',
    '"2026-01-02T03:04:05  Z"': '<datetime_parsing>',
    '"2026-01-02_03:04:05Z"': '<datetime_parsing>',
    '" 2026-01-02T03:04:05Z"': '<datetime_parsing>',
    '"2026-01-02T03:04:05Z\\n"': '<datetime_parsing>',
    '"2026-01-02T03:04:05Z[]"': '<datetime_parsing>',
    '"2026-01-02T03:04:05utc"': '<datetime_parsing>',
    '"2026-01-02T03:04:05[Europe/Paris]"': '<timezone_aware>',
    '"2026-01-02"': '<datetime_parsing>',
    '"now"': '<datetime_parsing>',
    '""': '<datetime_parsing>',
    null: '<datetime_type>',
  };
  for (const [source, expected] of Object.entries(others)) {
    it(`${source} → ${expected}`, () => assert.equal(verdictOf(source), expected));
  }

  it('says in each refusal what to write', () => {
    for (const [, source] of SPELLINGS) {
      const verdict = checkTimestamp(source);
      if (!verdict.ok) assert.match(verdict.msg, /such as 2026-01-02T03:04:05Z/);
    }
  });

  it('agrees with the examples of docs/sending-events.md', () => {
    const docs = readFileSync(new URL('../../docs/sending-events.md', import.meta.url), 'utf8');
    const section = docs.slice(docs.indexOf('### Timestamps'));
    const [accepted = '', refused = ''] = section.split('is refused with 422');
    const examples = (text: string) => text.match(/(?<=`)\d{4}-\d\d[^`]*(?=`)/g) ?? [];
    assert.equal(examples(accepted).length, 11);
    for (const text of examples(accepted))
      assert.match(verdictOf(`"${text}"`), /^2026-01-02T03:04/);
    assert.deepEqual(
      examples(refused).map((text) => verdictOf(`"${text}"`)),
      ['<timezone_aware>'],
    );
  });

  it('takes linear time on a hostile string', () => {
    const long = 60_000;
    const started = performance.now();
    for (const tail of ['1'.repeat(long), `1Z[${'a'.repeat(long)}`, `1${' '.repeat(long)}`]) {
      checkTimestamp(`"2026-01-02T03:04:05.${tail}x"`);
      new RegExp(TIMESTAMP_PATTERN).test(`2026-01-02T03:04:05.${tail}x`);
    }
    assert.ok(performance.now() - started < 1000);
  });
});

const two = (n: number) => String(n).padStart(2, '0');

/** A spelling of an instant, which is cut to what it can say, and that instant as it is stored. */
const spelled = fc
  .record({
    ms: fc.integer({ min: Date.UTC(YEAR_MIN, 0, 2), max: Date.UTC(YEAR_MAX, 11, 31) }),
    fraction: fc.stringMatching(/^[0-9]{0,12}$/),
    hasSeconds: fc.boolean(),
    offset: fc.integer({ min: -86_399, max: 86_399 }),
    zone: fc.constantFrom('Z', 'z', 'UTC', '+hh', '+hhmm', '+hh:mm', '+hh:mm:ss'),
    between: fc.constantFrom('T', 't', ' '),
    point: fc.constantFrom('.', ','),
    space: fc.constantFrom('', ' '),
    name: fc.constantFrom('', '', '[Europe/Paris]', '[UTC]', '[+02:00]', '[Etc/GMT-14]'),
  })
  .map(({ ms, fraction, hasSeconds, offset, zone, between, point, space, name }) => {
    const units: Record<string, number> = {
      '+hh': 3600,
      '+hh:mm:ss': 1,
      '+hhmm': 60,
      '+hh:mm': 60,
    };
    // An offset is less than a day: `Z` and `UTC` get none.
    const unit = units[zone] ?? 86_400;
    const ahead = Math.trunc(offset / unit) * unit;
    const abs = Math.abs(ahead);
    const parts = { hh: abs / 3600, mm: (abs / 60) % 60, ss: abs % 60 };
    const written = zone
      .replace('+', offset < 0 ? '-' : '+')
      .replace(/hh|mm|ss/g, (part) => two(Math.floor(parts[part as keyof typeof parts])));
    const resolution = hasSeconds ? 1000 : 60_000;
    const local = Math.floor((ms + ahead * 1000) / resolution) * resolution;
    const iso = new Date(local).toISOString();
    const digits = hasSeconds ? fraction : '';
    const clock = hasSeconds ? iso.slice(11, 19) : iso.slice(11, 16);
    const decimals = digits === '' ? '' : point + digits;
    const utc = new Date(local - ahead * 1000).toISOString().slice(0, 19);
    return {
      text: `${iso.slice(0, 10)}${between}${clock}${decimals}${space}${written}${name}`,
      stored: `${utc}.${digits.slice(0, 6).padEnd(6, '0')}Z`,
    };
  });

/** A spelling in which up to two characters were replaced, removed or inserted. */
const nearly = fc
  .tuple(
    spelled,
    fc.array(
      fc.tuple(fc.nat(), fc.nat({ max: 1 }), fc.constantFrom('', ...'0123569:+-.,TZ []UC')),
      { maxLength: 2 },
    ),
  )
  .map(([{ text }, edits]) =>
    edits.reduce((line, [place, cut, char]) => {
      const at = place % (line.length + 1);
      return line.slice(0, at) + char + line.slice(at + cut);
    }, text),
  );

/** At the first and last hours the zone decides, which no pattern can say. */
const isAtTheEdge = (text: string) => /^(1969-12-31|1970-01-01|9999-12-31|10000)/.test(text);

describe('The spellings of a timestamp', () => {
  it('store one value for one instant, in any zone [G4]', () => {
    fc.assert(
      fc.property(spelled, ({ text, stored }) => {
        assert.equal(verdictOf(JSON.stringify(text)), stored);
        assert.equal(verdictOf(`"${stored}"`), stored);
      }),
      { numRuns: 20_000 },
    );
  });

  it('are in the JSON Schema exactly if they are accepted', () => {
    const schema = new RegExp(TIMESTAMP_PATTERN);
    const agrees = (text: string) => {
      if (isAtTheEdge(text)) return;
      assert.equal(schema.test(text), checkTimestamp(JSON.stringify(text)).ok, text);
    };
    for (const [, source] of SPELLINGS) if (source.startsWith('"')) agrees(JSON.parse(source));
    for (const date of everyDate()) agrees(`${date}T00:00Z`);
    let accepted = 0;
    fc.assert(
      fc.property(nearly, (text) => {
        agrees(text);
        if (schema.test(text)) accepted++;
      }),
      { numRuns: 50_000 },
    );
    assert.ok(accepted > 10_000 && accepted < 40_000, `${accepted} of 50000 were accepted`);
  });

  it('mean the same in the usual form of an event as in any form [G8]', () => {
    const usual = new RegExp(`^${USUAL_TIMESTAMP_PATTERN}$`);
    const head =
      '{"event_id":"7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01","order_id":' +
      '"0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f","user_id":"u","total_amount":1,"timestamp":';
    let matches = 0;
    const agrees = (text: string) => {
      const event = parseUsualForm(`${head}"${text}"}`);
      assert.equal(event !== null, usual.test(text), text);
      if (event === null) return;
      matches++;
      assert.deepEqual(parseAnyForm(`${head}"${text}"}`), { ok: true, event });
    };
    for (const date of everyDate()) agrees(`${date}T23:59:59.5Z`);
    fc.assert(fc.property(nearly, agrees), { numRuns: 20_000 });
    assert.ok(matches > 16_000, `${matches} matched`);
  });
});

/** All days of a leap year and another, possible or not, and three days of each year of four digits. */
function everyDate(): string[] {
  const years = Array.from({ length: 10_000 }, (_, year) => String(year).padStart(4, '0'));
  const days = Array.from(
    { length: 14 * 33 },
    (_, n) => `${two(Math.floor(n / 33))}-${two(n % 33)}`,
  );
  return [
    ...['2023', '2024'].flatMap((year) => days.map((day) => `${year}-${day}`)),
    ...years.flatMap((year) => ['02-28', '02-29', '03-31'].map((day) => `${year}-${day}`)),
  ];
}
