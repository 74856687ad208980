/**
 * Encodes the columns of many rows as arrays in PostgreSQL's binary format, one parameter for each
 * column. That is less to send than text, and PostgreSQL need not parse it. No setting changes its
 * meaning either, as array_nulls does for NULLs in the text form. The driver sends a Buffer
 * unchanged, as a binary parameter. The formats are those of array_recv, uuid_recv, numeric_recv
 * and timestamptz_recv in PostgreSQL's source.
 */
const HEADER_BYTES = 20;
const OID = {
  bytea: 17,
  int8: 20,
  int4: 23,
  text: 25,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
};
const NULL_LENGTH = -1;
/** Milliseconds from 1970 to 2000, where PostgreSQL's timestamps begin. */
const EPOCH_2000_MS = Date.UTC(2000, 0, 1);
const ZERO = 0x30;
const MINUS = 0x2d;
/** The sign of a negative numeric (NUMERIC_NEG). */
const NEGATIVE = 0x4000;
const UUID_BYTES = 16;

/** The values of hexadecimal digits, by character code. */
const NIBBLES = new Uint8Array(128);
for (let value = 0; value < 16; value++) NIBBLES[value.toString(16).charCodeAt(0)] = value;

function arrayOf(oid: number, count: number, bytes: number, hasNulls = false): Buffer {
  const array = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(hasNulls ? 1 : 0, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}

/** @param values lower case, hyphenated; null stays NULL. */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  const array = arrayOf(OID.uuid, values.length, values.length * (4 + UUID_BYTES), true);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    at = array.writeInt32BE(UUID_BYTES, at);
    for (let i = 0; i < value.length; i += 2) {
      // Every hyphen is at an even index and comes before a pair of digits.
      if (value.charCodeAt(i) === 0x2d) i++;
      array[at++] =
        ((NIBBLES[value.charCodeAt(i)] as number) << 4) |
        (NIBBLES[value.charCodeAt(i + 1)] as number);
    }
  }
  return array.subarray(0, at);
}

/** @param values null stays NULL. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = 0;
  for (const value of values) bytes += 4 + (value === null ? 0 : Buffer.byteLength(value));
  const array = arrayOf(OID.text, values.length, bytes, true);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const length = array.write(value, at + 4);
    array.writeInt32BE(length, at);
    at += 4 + length;
  }
  return array;
}

/** @param values null stays NULL. */
export function bytesArray(values: readonly (Buffer | null)[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), 0);
  const array = arrayOf(OID.bytea, values.length, bytes, true);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = array.writeInt32BE(value?.length ?? NULL_LENGTH, at);
    at += value?.copy(array, at) ?? 0;
  }
  return array;
}

/** @param values in hexadecimal, all of the same length. */
export function byteaArray(values: readonly string[]): Buffer {
  const length = (values[0]?.length ?? 0) / 2;
  const array = arrayOf(OID.bytea, values.length, values.length * (4 + length));
  let at = HEADER_BYTES;
  for (const value of values) {
    at = array.writeInt32BE(length, at);
    at += array.write(value, at, 'hex');
  }
  return array;
}

/** @param values signed 32-bit integers. */
export function intArray(values: readonly number[]): Buffer {
  const array = arrayOf(OID.int4, values.length, values.length * 8);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = array.writeInt32BE(4, at);
    at = array.writeInt32BE(value, at);
  }
  return array;
}

/** @param values integers up to 2^53 in magnitude; null stays NULL. */
export function bigintArray(values: readonly (number | null)[]): Buffer {
  const array = arrayOf(OID.int8, values.length, values.length * 12, true);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    at = array.writeInt32BE(8, at);
    const high = Math.floor(value / 2 ** 32);
    at = array.writeInt32BE(high, at);
    at = array.writeUInt32BE(value - high * 2 ** 32, at);
  }
  return array.subarray(0, at);
}

/** @param values in UTC with microseconds: `2026-01-02T03:04:05.123456Z`; null stays NULL. */
export function timestampArray(values: readonly (string | null)[]): Buffer {
  const array = arrayOf(OID.timestamptz, values.length, values.length * 12, true);
  let at = HEADER_BYTES;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    const day = Date.UTC(numberAt(value, 0, 4), numberAt(value, 5, 7) - 1, numberAt(value, 8, 10));
    const minutes = numberAt(value, 11, 13) * 60 + numberAt(value, 14, 16);
    const micros = (minutes * 60 + numberAt(value, 17, 19)) * 1e6 + numberAt(value, 20, 26);
    // Exceeds 2^53 from the year 2285 on. It is exact all the same, because the microseconds of
    // whole days are multiples of 2^13.
    const daysMicros = (day - EPOCH_2000_MS) * 1000;
    const high = Math.floor(daysMicros / 2 ** 32);
    const low = daysMicros - high * 2 ** 32 + micros;
    at = array.writeInt32BE(8, at);
    at = array.writeInt32BE(high + Math.floor(low / 2 ** 32), at);
    at = array.writeUInt32BE(low % 2 ** 32, at);
  }
  return array.subarray(0, at);
}

/** The number in text[start, end), which must be digits. */
function numberAt(text: string, start: number, end: number): number {
  let number = 0;
  for (let i = start; i < end; i++) number = number * 10 + text.charCodeAt(i) - ZERO;
  return number;
}

/**
 * @param values with exactly four decimals: `99.9500`, `-5.0000`; at most 16 integer digits; null
 * stays NULL.
 */
export function amountArray(values: readonly (string | null)[]): Buffer {
  const array = arrayOf(OID.numeric, values.length, values.length * (4 + 8 + 10), true);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = value === null ? array.writeInt32BE(NULL_LENGTH, at) : writeAmount(array, at, value);
  }
  return array.subarray(0, at);
}

/**
 * Writes a numeric: digits to the base 10,000, and the weight of the first one. Here there are at
 * most four digits before the point, and one for the four decimals. Zeros at either end are
 * omitted.
 * @returns the index behind it.
 */
function writeAmount(array: Buffer, start: number, value: string): number {
  const point = value.length - 5;
  const first = value.charCodeAt(0) === MINUS ? 1 : 0;
  let at = start + 12;
  let [digits, weight, trailing] = [0, 0, 0];
  for (let group = Math.ceil((point - first) / 4) - 1; group >= -1; group--) {
    const end = group === -1 ? value.length : point - group * 4;
    const digit = numberAt(value, Math.max(group === -1 ? point + 1 : first, end - 4), end);
    if (digits === 0) {
      if (digit === 0) continue;
      weight = group;
    }
    at = array.writeInt16BE(digit, at);
    digits++;
    trailing = digit === 0 ? trailing + 1 : 0;
  }
  digits -= trailing;
  const length = 8 + digits * 2;
  array.writeInt32BE(length, start);
  array.writeInt16BE(digits, start + 4);
  array.writeInt16BE(weight, start + 6);
  array.writeInt16BE(first === 1 ? NEGATIVE : 0, start + 8);
  array.writeInt16BE(4, start + 10);
  return start + 4 + length;
}
