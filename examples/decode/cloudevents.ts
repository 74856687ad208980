/**
 * Decodes CloudEvents 1.0 from Kafka, in both content modes of its Kafka binding
 * (github.com/cloudevents/spec, kafka-protocol-binding.md):
 *
 * - binary: each attribute is a header ce_NAME, and the value is the data;
 * - structured: the value has the attributes and the data, and the header content-type should be
 *   application/cloudevents+json. Some libraries write another one, so it is not relied on.
 *
 *   KAFKA_TOPICS=shop.orders DECODE_MODULE=examples/decode/cloudevents.ts npm start
 *
 * Here `id` is the event_id and `subject` the order_id. CloudEvents promises unique ids for each
 * `source` only, so this is right for a topic that one source writes.
 */
import type { Decode, ForeignRecord } from 'orderonce/events';

type CloudEvent = {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly data: { readonly user_id?: unknown; readonly total_amount?: unknown };
};

const TYPES = ['com.example.order.placed', 'com.example.order.changed'];

export const decode: Decode = (record) => {
  const { attributes, data } = cloudEventOf(record);
  if (attributes.specversion !== '1.0') {
    throw new Error(`specversion is ${JSON.stringify(attributes.specversion)}, not "1.0"`);
  }
  // Events of other types may share the topic. They are no events of orders.
  if (!TYPES.includes(String(attributes.type))) return null;
  return {
    event_id: attributes.id,
    order_id: attributes.subject,
    timestamp: attributes.time,
    user_id: data.user_id,
    total_amount: data.total_amount,
  };
};

function cloudEventOf({ headers, value }: ForeignRecord): CloudEvent {
  if (value === null) throw new Error('The record has no value');
  const json = JSON.parse(value.toString('utf8'));
  const attributes = headers
    .filter(([name]) => name.toLowerCase().startsWith('ce_'))
    .map(([name, content]) => [name.slice('ce_'.length), content?.toString('utf8')]);
  const isBinary = attributes.some(([name]) => name === 'specversion');
  if (isBinary) return { attributes: Object.fromEntries(attributes), data: json ?? {} };
  return { attributes: json ?? {}, data: json?.data ?? {} };
}
