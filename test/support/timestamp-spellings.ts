const AT = '2023-10-27T10:00:00.000000Z';

/**
 * How clients write 10:00 UTC, or 12:00 in Paris, on 27 October 2023: who, the JSON source text, and
 * what is stored or why it is refused. Each library was run to get its spelling, except .NET, Swift
 * and the databases other than PostgreSQL and SQLite, whose manuals give it.
 */
export const SPELLINGS: readonly (readonly [writer: string, source: string, expected: string])[] = [
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
