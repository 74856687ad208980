import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SPELLINGS } from '../../test/support/timestamp-spellings.ts';
import { UNDECLARED } from './event-rules.ts';
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
      const event = parseUsualForm(`${head}"${text}"}`, null);
      assert.equal(event !== null, usual.test(text), text);
      if (event === null) return;
      matches++;
      assert.deepEqual(parseAnyForm(`${head}"${text}"}`, UNDECLARED), { ok: true, event });
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
