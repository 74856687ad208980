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
