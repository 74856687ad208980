/**
 * The order event as a value, after its bytes have been checked.
 *
 * Every field is text in its canonical form, so two payloads mean the same if and only if these
 * texts are equal. Money and time never pass through a float.
 */
import { hash } from 'node:crypto';
import { ENVELOPE, type Envelope, type EnvelopeField } from './envelope.ts';

/**
 * An event. `eventId` and `orderId` are the stored ids. `totalAmount` is null only in an event of a
 * type that has no amount.
 */
export type OrderEvent = Envelope & {
  /** The ids as they were sent, where those are text ids. */
  readonly sentIds?: SentIds | undefined;
  /** Undefined in an event without a type: then it has no version and no data either. */
  readonly type?: string | undefined;
  readonly version?: number | undefined;
  /** Canonical JSON; see canonical-data.ts. Undefined in an event of a type without data. */
  readonly data?: string | undefined;
};

/** Text ids of another system; null where a UUID was sent. */
export type SentIds = { readonly eventId: string | null; readonly orderId: string | null };

/** The id under which the sender knows the event. */
export function sentEventId({ eventId, sentIds }: OrderEvent): string {
  return sentIds?.eventId ?? eventId;
}

type Members = Readonly<Record<string, string | null>>;

/** The members of the envelope in the order of the table, with the text before each value. */
const WRITTEN = (ENVELOPE as readonly EnvelopeField[]).map(({ name, property, sqlType }, i) => ({
  property,
  before: `${i === 0 ? '{' : ','}"${name}":`,
  // Only free text needs escaping; the canonical forms of the other types have nothing to escape.
  isText: sqlType === 'text',
}));

/**
 * The canonical JSON form of an event, as the log holds it. Field order and spelling never change.
 */
export function toCanonicalJson(event: OrderEvent): string {
  const { sentIds, type } = event;
  const values = event as unknown as Members;
  let json = '';
  for (const { property, before, isText } of WRITTEN) {
    const sent = sentIds === undefined ? null : (sentIds as Members)[property];
    const value = sent ?? values[property];
    if (value === null || value === undefined) continue;
    json += before + (isText || typeof sent === 'string' ? JSON.stringify(value) : `"${value}"`);
  }
  if (type !== undefined) {
    json += `,"type":"${type}","version":${event.version}`;
    if (event.data !== undefined) json += `,"data":${event.data}`;
  }
  return `${json}}`;
}

/** The properties that the digest covers in any case, in its order; and those of later fields. */
export const DIGESTED = (ENVELOPE as readonly EnvelopeField[])
  .filter(({ digestAt }) => digestAt !== null)
  .sort((a, b) => (a.digestAt as number) - (b.digestAt as number));
const DIGESTED_PROPERTIES = DIGESTED.map(({ property }) => property);
export const DIGESTED_IF_PRESENT = (ENVELOPE as readonly EnvelopeField[]).filter(
  ({ digestAt }) => digestAt === null,
);

/**
 * SHA-256, in hex, over the typed values. Two events with the same digest have the same payload,
 * however it was written (`100.1` or `"100.10"`, one instant in two time zones, data with its keys
 * in another order).
 *
 * It covers the first five fields, separated by line feeds; an absent amount is empty text. If
 * another field or a type is present, the digest so far and the addition are digested again, so
 * events without them keep the digest that they always had. Databases keep digests across releases,
 * so the result must never change; a test compares it with fixed values.
 */
export function digestOf(event: OrderEvent): string {
  const values = event as unknown as Members;
  let text = values[DIGESTED_PROPERTIES[0] as string] ?? '';
  for (let i = 1; i < DIGESTED_PROPERTIES.length; i++) {
    text += `\n${values[DIGESTED_PROPERTIES[i] as string] ?? ''}`;
  }
  let digest = hash('sha256', text, 'hex');
  for (const { name, property } of DIGESTED_IF_PRESENT) {
    const value = values[property];
    if (value !== null && value !== undefined)
      digest = hash('sha256', `${digest}\n${name}\n${value}`, 'hex');
  }
  return typedDigestOf(digest, event);
}

/** @param digest of the envelope; that of an event without a type is returned unchanged. */
export function typedDigestOf(
  digest: string,
  { type, version, data = '' }: Pick<OrderEvent, 'type' | 'version' | 'data'>,
): string {
  if (type === undefined) return digest;
  return hash('sha256', `${digest}\n${type}@${version}\n${data}`, 'hex');
}
