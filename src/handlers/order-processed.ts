import { ENVELOPE } from '../event/envelope.ts';
import type { Handler } from './handler.ts';

/**
 * The built-in handler for ORDER_PROCESSED_TOPIC: emits one message to `topic` per stored event.
 */
export function orderProcessed(topic: string): Handler {
  return {
    name: 'orderonce.order_processed',
    handle: async (events, tx) => {
      for (const event of events) {
        const { partition, offset, type: event_type, version: event_version, data } = event;
        const fields = ENVELOPE.map(({ name, property }) => [name, event[property]]);
        const value = JSON.stringify({
          type: 'order_processed',
          ...Object.fromEntries(fields),
          partition,
          offset,
          // Left out in an event without a type, because JSON has no undefined.
          ...{ event_type, event_version, data },
        });
        tx.emit(event, { topic, key: event.orderId, value });
      }
    },
  };
}
