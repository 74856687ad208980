/** How values of PostgreSQL become values of JavaScript. */
import pg from 'pg';

/** Bigints as numbers: offsets and counts are far below 2^53. Handlers get the same. */
export const types = withBigints();

/**
 * Types whose text depends on a setting of the role, the database or the session: DateStyle,
 * IntervalStyle, TimeZone, extra_float_digits, lc_monetary, xmlbinary. The driver reads only one
 * spelling of each. (Both spellings of bytea_output can be told apart, and the driver reads them.)
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
 * For our own statements: refuses what a setting could spell in another way, so that no statement
 * can come to depend on one. A statement selects times through UTC(), durations and times of the
 * log as whole milliseconds.
 */
export const settledTypes = withBigints();
for (const oid of SPELLED_BY_SETTINGS) {
  settledTypes.setTypeParser(oid, () => {
    throw new TypeError(
      `A column of type ${oid} is spelled as the settings of the session say: select UTC(column) or a whole number`,
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
