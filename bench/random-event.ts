import { randomUUID } from 'node:crypto';

/** An event as clients send it. */
export type RandomEvent = {
  readonly event_id: string;
  readonly order_id: string;
  readonly user_id: string;
  readonly total_amount: number;
  readonly timestamp: string;
};

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
