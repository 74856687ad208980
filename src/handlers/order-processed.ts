import type { Handler } from './handler.ts';

/**
 * The built-in handler for ORDER_PROCESSED_TOPIC: emits one message to `topic` per stored event.
 */
export function orderProcessed(topic: string): Handler {
  return {
    name: 'orderonce.order_processed',
    handle: async (events, tx) => {
      for (const event of events) {
        const { eventId, orderId, userId, totalAmount, timestamp, partition, offset } = event;
        const value = JSON.stringify({
          type: 'order_processed',
          event_id: eventId,
          order_id: orderId,
          user_id: userId,
          total_amount: totalAmount,
          timestamp,
          partition,
          offset,
        });
        tx.emit(event, { topic, key: orderId, value });
      }
    },
  };
}
