/**
 * How our statements select times: in one spelling, whatever DateStyle, TimeZone and
 * extra_float_digits are (types.ts refuses a time that comes in another way).
 */

/** SQL: a timestamptz as text in the spelling of events, `2026-01-02T03:04:05.123456Z`. */
export const UTC = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** SQL: whole milliseconds, of a timestamptz since 1970, of an interval as its length. */
export const MILLISECONDS = (value: string) => `floor(extract(epoch FROM ${value}) * 1000)::bigint`;
