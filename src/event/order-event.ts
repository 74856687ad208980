/**
 * The order event as a value, after its bytes have been checked.
 *
 * Every field is text in its canonical form, so two payloads mean the same if and only if these
 * five strings are equal. Money and time never pass through a float.
 */
import { hash } from 'node:crypto';

export type OrderEvent = {
  /** UUID, hyphenated, lower case. The client creates it before the first send and reuses it. */
  readonly eventId: string;
  /** UUID, hyphenated, lower case. Also the partition key, so an order stays in one partition. */
  readonly orderId: string;
  /** 1 to 255 code points, no NUL, no lone surrogate. */
  readonly userId: string;
  /** Positive decimal with exactly four decimals, such as `100.1000`. */
  readonly totalAmount: string;
  /** UTC with exactly six decimals of a second, such as `2026-01-02T03:04:05.123456Z`. */
  readonly timestamp: string;
};

/**
 * The canonical JSON form of an event, as the log holds it. Field order and spelling never change.
 */
export function toCanonicalJson(event: OrderEvent): string {
  return (
    `{"event_id":"${event.eventId}","order_id":"${event.orderId}",` +
    `"user_id":${JSON.stringify(event.userId)},"total_amount":"${event.totalAmount}",` +
    `"timestamp":"${event.timestamp}"}`
  );
}

/**
 * SHA-256, in hex, over the typed values. Two events with the same digest have the same payload,
 * however it was written (`100.1` or `"100.10"`, one instant in two time zones). The user id comes
 * last because only it may contain a line feed. Databases keep digests across releases, so the
 * result must never change; a test compares it with fixed values.
 */
export function digestOf(event: OrderEvent): string {
  return hash(
    'sha256',
    `${event.eventId}\n${event.orderId}\n${event.totalAmount}\n${event.timestamp}\n${event.userId}`,
    'hex',
  );
}
