/**
 * How our statements select times: in one form, whatever DateStyle, TimeZone and extra_float_digits
 * are. types.ts refuses times that are selected in another way.
 */

/**
 * SQL: a timestamptz as text, in the form of an event's timestamp: `2026-01-02T03:04:05.123456Z`.
 */
export const UTC = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** SQL: whole milliseconds: since 1970 for a timestamptz, the length for an interval. */
export const MILLISECONDS = (value: string) => `floor(extract(epoch FROM ${value}) * 1000)::bigint`;

/** The same form of a time of this process, in ms since 1970. */
export const utcText = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');
