import { DATA_DEPTH_MAX, readData } from '../event/canonical-data.ts';

/**
 * Makes JSON text that jsonb accepts, even if the value quotes foreign input. PostgreSQL refuses
 * U+0000 and lone surrogates in jsonb (manual, section 8.14); they are replaced by U+FFFD. A number
 * like 1e400 would be stored with all its digits, or refused; it is replaced by its text.
 */
export function toStorableJson(value: unknown): string {
  return JSON.stringify(storable(value));
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (JSON.isRawJSON(value)) return value.rawJSON;
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [storableText(key), storable(member)]),
  );
}

/** Makes text that a column of type text accepts, with the same replacements. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/**
 * The payload of a record as an object that jsonb accepts. Numbers that a double would change become
 * texts. Bytes that are no JSON object, or one that is nested too deep for PostgreSQL, become
 * `{ text }`; no bytes at all become `{}`.
 */
export function storablePayload(bytes: Buffer | null): object {
  if (bytes === null) return {};
  const text = bytes.toString('utf8');
  try {
    // The event is a level around its data.
    const reading = readData(text, DATA_DEPTH_MAX + 1);
    const value = 'text' in reading ? reading.value : reading.isTooDeep ? null : readRoughly(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // It is no JSON.
  }
  return { text: storableText(text) };
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** Of a key that is given twice, the last value; of a number that is not exact, its text. */
function readRoughly(text: string): unknown {
  const reviver: Reviver = (_, value, { source }) =>
    typeof value === 'number' && String(value) !== source ? source : value;
  return storable(JSON.parse(text, reviver as (key: string, value: unknown) => unknown));
}
