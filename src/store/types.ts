/** How values of PostgreSQL are converted to JavaScript. */
import pg from 'pg';

/** bigint becomes a number, since offsets and counts are far below 2^53. Handlers get the same. */
export const types = withBigints();

/**
 * The types whose text form depends on settings: DateStyle, IntervalStyle, TimeZone,
 * extra_float_digits, lc_monetary, xmlbinary. The driver understands only one form of each. bytea
 * is not among them, because the driver understands both forms of bytea_output.
 */
const SPELLED_BY_SETTINGS: readonly number[] = [
  ...[1082, 1182], // date
  ...[1114, 1115], // timestamp
  ...[1184, 1185], // timestamptz
  ...[1186, 1187], // interval
  ...[700, 1021], // real
  ...[701, 1022], // double precision
  ...[790, 791], // money
  ...[142, 143], // xml
];

/**
 * For our own statements. It refuses values whose text form depends on settings, so that no
 * statement can depend on one by mistake. Select times by UTC(), and durations and record times in
 * whole milliseconds.
 */
export const settledTypes = withBigints();
for (const oid of SPELLED_BY_SETTINGS) {
  settledTypes.setTypeParser(oid, () => {
    throw new TypeError(
      `The text of a column of type ${oid} depends on settings of the session: select UTC(column) or a whole number`,
    );
  });
}

function withBigints(): pg.TypeOverrides {
  const overrides = new pg.TypeOverrides();
  overrides.setTypeParser(pg.types.builtins.INT8, (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} exceeds 2^53`);
    return value;
  });
  return overrides;
}
