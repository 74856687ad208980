/**
 * JSON text that jsonb takes, whatever foreign input it quotes: PostgreSQL refuses U+0000 and lone
 * surrogates in it (manual, section 8.14), and a number like 1e400 would be stored with all its
 * digits or refused. Such characters are shown as U+FFFD, such numbers as their text.
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

/** Text that a column of type text takes, for the same reason. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
