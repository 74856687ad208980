/** The whole ingest path of one event: validate the bytes, append the record, give the answer. */

import { type ErrorCode, OrderonceError } from '../errors.ts';
import type { EventRules } from '../event/event-rules.ts';
import type { FieldError } from '../event/field-error.ts';
import { type OrderEvent, sentEventId, toCanonicalJson } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import type { AppendRecord, Header, LogPosition } from '../log/event-log.ts';
import { requestIdHeader } from '../log/request-id.ts';
import type { AppendQueue } from './append-queue.ts';

/** The outcome of one event. */
export type Acceptance =
  /** The log has acknowledged the event: it is durable (G1). */
  | { readonly status: 'accepted'; readonly eventId: string; readonly position: LogPosition }
  /** The event is not valid, or the log refuses the record. Nothing was appended. */
  | {
      readonly status: 'rejected';
      readonly errors: readonly FieldError[];
      readonly isTooLarge?: boolean;
    }
  /** The log did not acknowledge in time, but still may. Sending the event again is safe (G9). */
  | { readonly status: 'unknown'; readonly code: ErrorCode; readonly reason: string }
  /** The queue is full, or the service is stopping. Nothing was appended. */
  | { readonly status: 'refused'; readonly code: ErrorCode; readonly reason: string };

/** What the headers of a record say about the request that brought it. */
export type Origin = {
  readonly requestId: string;
  /** The headers of its trace context; empty if it has none. */
  readonly trace: readonly Header[];
};

/**
 * Validates an event and appends it. Resolves once the log has acknowledged it, at the latest at
 * the delivery deadline. Never throws because of the event or the log.
 */
export async function acceptEvent(
  { queue, rules }: { readonly queue: AppendQueue; readonly rules: EventRules },
  origin: Origin,
  body: Buffer,
): Promise<Acceptance> {
  const parsed = parseEvent(body, rules);
  if (!parsed.ok) return { status: 'rejected', errors: parsed.errors };
  const record = recordOf(parsed.event, origin);
  const tooLong = tooLongOf(record, rules);
  if (tooLong !== null) return tooLong;
  try {
    const position = await queue.append(record);
    return { status: 'accepted', eventId: sentEventId(parsed.event), position };
  } catch (error) {
    return failureOf(error);
  }
}

/** The record of an event, as it is appended to the log. */
export function recordOf(event: OrderEvent, { requestId, trace }: Origin): AppendRecord {
  return {
    // All events of an order go to the same partition, in the sequence in which they were accepted.
    key: Buffer.from(event.sentIds?.orderId ?? event.orderId),
    value: Buffer.from(toCanonicalJson(event)),
    headers: [requestIdHeader(requestId), ...trace],
  };
}

/**
 * The answer to an event whose canonical form is over the limit: `1e20` becomes 21 digits. The
 * consumer, which has the same limit, would park its record.
 */
export function tooLongOf({ value }: AppendRecord, { bytesMax }: EventRules) {
  const bytes = value?.length ?? 0;
  if (bytes <= bytesMax) return null;
  const msg = `In its canonical form the event has ${bytes} bytes, which is over the limit of ${bytesMax} (EVENT_BYTES_MAX)`;
  const errors: FieldError[] = [{ type: 'record_too_large', loc: ['body'], msg, input: null }];
  return { status: 'rejected', errors, isTooLarge: true } as const;
}

type Failure = Exclude<Acceptance, { status: 'accepted' }>;

/** What a failed append means for its event. @throws the error if it is not a failed append. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof OrderonceError)) throw error;
  const { code, message: reason } = error;
  if (code === 'QUEUE_FULL' || code === 'DRAINING') return { status: 'refused', code, reason };
  if (code === 'RECORD_TOO_LARGE' || code === 'RECORD_REFUSED') {
    const errors = [{ type: code.toLowerCase(), loc: ['body'], msg: reason, input: null }];
    return { status: 'rejected', errors, isTooLarge: code === 'RECORD_TOO_LARGE' };
  }
  return { status: 'unknown', code, reason };
}
