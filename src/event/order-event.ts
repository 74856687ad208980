/**
 * The order event as a value: what is left once the bytes have been checked. Pure.
 *
 * Everything is kept as exact text in one spelling, so that two payloads mean the same if and
 * only if these five strings are equal; money and time never pass through a float.
 */
import { hash } from 'node:crypto';

export type OrderEvent = {
  /** UUID, hyphenated, lower case. Made by the client before the first send, kept for resends. */
  readonly eventId: string;
  /** UUID, hyphenated, lower case. Also the partition key, so one order stays in one partition. */
  readonly orderId: string;
  /** 1 to 255 code points, no NUL, no lone surrogate. */
  readonly userId: string;
  /** Positive decimal with exactly four decimals, such as `100.1000`. */
  readonly totalAmount: string;
  /** UTC with exactly six decimals of a second: `2026-01-02T03:04:05.123456Z`. */
  readonly timestamp: string;
};

/** The one JSON form in which an event lies in the log. Field order and spelling never change. */
export function toCanonicalJson(event: OrderEvent): string {
  return (
    `{"event_id":"${event.eventId}","order_id":"${event.orderId}",` +
    `"user_id":${JSON.stringify(event.userId)},"total_amount":"${event.totalAmount}",` +
    `"timestamp":"${event.timestamp}"}`
  );
}

/**
 * SHA-256, in hex, over the typed values. Two events with one digest are the same payload however
 * they were spelled (`100.1` and `"100.10"`, one instant in two zones). The user id stands last
 * since it alone may contain a line feed. Held by a golden test: stored digests outlive releases.
 */
export function digestOf(event: OrderEvent): string {
  return hash(
    'sha256',
    `${event.eventId}\n${event.orderId}\n${event.totalAmount}\n${event.timestamp}\n${event.userId}`,
    'hex',
  );
}
