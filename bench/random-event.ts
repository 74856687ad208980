import { randomUUID } from 'node:crypto';

/** An event as clients send it. */
export type RandomEvent = {
  readonly event_id: string;
  readonly order_id: string;
  readonly user_id: string;
  readonly total_amount: number;
  readonly timestamp: string;
};

const LINES = 11;

/** @returns a valid event of the type in typed-events.ts. */
export function typedEvent() {
  const line = (n: number) => ({
    sku: `sku-${n}-${Math.trunc(Math.random() * 1e6)}`,
    name: 'A thing that somebody has ordered',
    quantity: (n % 3) + 1,
    unit_price: '19.99',
  });
  const lines = Array.from({ length: LINES }, (_, n) => line(n));
  return { ...randomEvent(), type: 'order.placed', data: { currency: 'EUR', lines } };
}

/** @returns a valid event with random ids. */
export function randomEvent(): RandomEvent {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: `user-${Math.trunc(Math.random() * 100_000)}`,
    total_amount: Math.trunc(Math.random() * 100_000 + 1) / 100,
    timestamp: new Date().toISOString(),
  };
}
