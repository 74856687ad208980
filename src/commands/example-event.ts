import { randomUUID } from 'node:crypto';

/** A valid event as clients send it. */
export type ExampleEvent = {
  event_id: string;
  order_id: string;
  user_id: string;
  total_amount: number;
  timestamp: string;
};

/** @returns an event for trying things out. Its ids are random, so it is a new one in each call. */
export function exampleEvent(): ExampleEvent {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-42',
    total_amount: 99.95,
    timestamp: new Date().toISOString(),
  };
}

/** @returns two commands for a POSIX shell: one sends an event, the other shows its status. */
export function exampleCurl(baseUrl: string): string {
  const event = exampleEvent();
  return (
    `  curl -i ${baseUrl}/events -H 'Content-Type: application/json' \\\n` +
    `    -d '${JSON.stringify(event)}'\n` +
    `  curl -L ${baseUrl}/events/${event.event_id}`
  );
}
