/** SQL: a timestamptz as text in the spelling of events, `2026-01-02T03:04:05.123456Z`. */
export const UTC = (column: string) =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
