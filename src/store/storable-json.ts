import { readData } from '../event/canonical-data.ts';

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
 * The payload of a record as a JSON object that jsonb accepts unchanged. What is no such object (bytes
 * of another format, a key given twice, a number that is not exact) becomes `{ text }`.
 */
export function storablePayload(bytes: Buffer): object {
  const text = bytes.toString('utf8');
  try {
    const reading = readData(text);
    if ('text' in reading && typeof reading.value === 'object' && reading.value !== null) {
      return reading.value;
    }
  } catch {
    // It is no JSON.
  }
  return { text: storableText(text) };
}
