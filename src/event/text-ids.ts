/** Ids of other systems, such as Stripe's and Shopify's, beside UUIDs. */
import type { DeclaredEvents } from './declared-events.ts';
import { accept, type FieldVerdict } from './field-error.ts';
import { checkTextId, checkUuid } from './fields.ts';
import { uuidV5 } from './uuid-v5.ts';

/** The verdict on an id: the stored id, and the text that was sent if that is a text id. */
export type IdVerdict = FieldVerdict & { readonly sent?: string };

/**
 * A text that has the form of a UUID is a UUID; any other text is an id of another system, and its
 * stored id is a UUID version 5 of it.
 * @param namespace of the declared ids; undefined if only UUIDs are accepted.
 */
export function checkId(source: string, namespace: string | undefined): IdVerdict {
  const uuid = checkUuid(source);
  if (uuid.ok || namespace === undefined) return uuid;
  const text = checkTextId(source);
  return text.ok ? { ...accept(uuidV5(namespace, text.value)), sent: text.value } : text;
}

/**
 * The stored id of an id that somebody asks for.
 * @returns null if it is no id in this deployment.
 */
export function storedIdOf(
  asked: string,
  property: keyof DeclaredEvents['ids'],
  declared: DeclaredEvents | null,
): string | null {
  const verdict = checkId(JSON.stringify(asked), declared?.ids[property]);
  return verdict.ok ? verdict.value : null;
}
