/** A field whose values differ between two payloads of one event id. */
export type Difference = {
  readonly field: string;
  readonly first: unknown;
  readonly this: unknown;
};

/**
 * Compares the payload of a conflict with the one that came first, field by field. A field that one
 * of them lacks has null there. Pure.
 */
export function differencesOf(conflict: Readonly<Record<string, unknown>>): Difference[] {
  const first = fieldsOf(conflict.first_payload);
  const second = fieldsOf(conflict.payload);
  return [...new Set([...Object.keys(first), ...Object.keys(second)])]
    .map((field) => ({ field, first: first[field] ?? null, this: second[field] ?? null }))
    .filter((one) => JSON.stringify(one.first) !== JSON.stringify(one.this));
}

function fieldsOf(payload: unknown): Readonly<Record<string, unknown>> {
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload)
    ? (payload as Record<string, unknown>)
    : {};
}
