/** The ingest path on one screen: bytes → validate → append → answer. */
import { OrderonceError } from '../errors.ts';
import type { FieldError } from '../event/field-error.ts';
import { toCanonicalJson } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import type { LogPosition } from '../log/event-log.ts';
import { requestIdHeader } from '../log/request-id.ts';
import type { AppendQueue } from './append-queue.ts';

export type Acceptance =
  /** The log has acknowledged it: it is durable (G1). */
  | { readonly status: 'accepted'; readonly eventId: string; readonly position: LogPosition }
  /** The event is not valid; nothing was appended. */
  | { readonly status: 'rejected'; readonly errors: readonly FieldError[] }
  /** The log did not acknowledge in time; it may still. Sending the same event again is safe (G9). */
  | { readonly status: 'unknown' }
  /** Queue full or stopping; nothing was appended. */
  | { readonly status: 'refused'; readonly reason: string };

/** Never throws on account of the event or the log. */
export async function acceptEvent(
  queue: AppendQueue,
  requestId: string,
  body: Buffer,
): Promise<Acceptance> {
  const parsed = parseEvent(body);
  if (!parsed.ok) return { status: 'rejected', errors: parsed.errors };
  const { eventId, orderId } = parsed.event;
  try {
    const position = await queue.append({
      // All events of one order lie in one partition, in the order in which they were accepted.
      key: Buffer.from(orderId),
      value: Buffer.from(toCanonicalJson(parsed.event)),
      headers: [requestIdHeader(requestId)],
    });
    return { status: 'accepted', eventId, position };
  } catch (error) {
    if (!(error instanceof OrderonceError)) throw error;
    const isRefused = error.code === 'QUEUE_FULL' || error.code === 'DRAINING';
    return isRefused ? { status: 'refused', reason: error.message } : { status: 'unknown' };
  }
}
