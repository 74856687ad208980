/**
 * Decodes what Debezium's outbox event router writes with its default settings
 * (debezium.io/documentation/reference/transformations/outbox-event-router.html): the header `id` is
 * the id of the outbox row, the key is its aggregateid, and the value is its payload. The topic of
 * the aggregate "order" is outbox.event.order.
 *
 *   KAFKA_TOPICS=outbox.event.order DECODE_MODULE=examples/decode/debezium-outbox.ts npm start
 *
 * Here aggregateid is the order_id, and the payload is
 * {"customer": "…", "total": "99.95", "at": "2026-01-02T03:04:05Z"}. Amounts are text: a number of
 * JSON would pass through a double.
 */
import type { Decode } from 'orderonce/events';

type Payload = { readonly customer?: unknown; readonly total?: unknown; readonly at?: unknown };

export const decode: Decode = ({ headers, key, value }) => {
  // A row without a payload is a tombstone: it says that the aggregate is gone.
  if (value === null) return null;
  const id = headers.find(([name]) => name === 'id')?.[1];
  if (!id || key === null) throw new Error('The record has no header "id" or no key');
  const { customer, total, at } = payloadOf(value);
  return {
    event_id: unquoted(id),
    order_id: unquoted(key),
    user_id: customer,
    total_amount: total,
    timestamp: at,
  };
};

/**
 * With table.expand.json.payload=true the value is the payload. Without, it is a text that holds the
 * payload, in quotes if JsonConverter wrote it. With schemas.enable=true there is a schema around it.
 */
function payloadOf(value: Buffer): Payload {
  let payload = JSON.parse(value.toString('utf8'));
  if (payload?.schema !== undefined && payload.payload !== undefined) payload = payload.payload;
  return typeof payload === 'string' ? JSON.parse(payload) : payload;
}

/** JsonConverter puts text in quotes, StringConverter does not. */
function unquoted(bytes: Buffer): string {
  return bytes.toString('utf8').replace(/^"(.*)"$/s, '$1');
}
