import { randomUUID } from 'node:crypto';

export type ExampleEvent = {
  event_id: string;
  order_id: string;
  user_id: string;
  total_amount: number;
  timestamp: string;
};

/** An event to try things with: new ids each time, so that it is new wherever it is sent. */
export function exampleEvent(): ExampleEvent {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-42',
    total_amount: 99.95,
    timestamp: new Date().toISOString(),
  };
}

/** A line to copy into a POSIX shell: one event, and where to read what became of it. */
export function exampleCurl(baseUrl: string): string {
  const event = exampleEvent();
  return (
    `  curl -i ${baseUrl}/events -H 'Content-Type: application/json' \\\n` +
    `    -d '${JSON.stringify(event)}'\n` +
    `  curl -L ${baseUrl}/events/${event.event_id}`
  );
}
