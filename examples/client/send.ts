/**
 * Sends one event and prints its receipt. It shows what to do with each way in which that can end.
 *
 *   npm start                              (in another terminal)
 *   npm run example examples/client/send.ts
 */
import { randomUUID } from 'node:crypto';
import { createClient, newEventId, Rejected, Unauthorized, Unknown } from 'orderonce/client';

const client = createClient({
  url: process.env.ORDERONCE_URL ?? 'http://localhost:8000',
  ...(process.env.ORDERONCE_KEY === undefined ? {} : { apiKey: process.env.ORDERONCE_KEY }),
});

const event = {
  // A real service stores this id with the order, in one transaction, before it sends the event.
  // After a crash it sends the same event again, which then takes effect once.
  event_id: newEventId(),
  order_id: randomUUID(),
  user_id: process.argv[2] ?? 'user-42',
  total_amount: '99.95',
  timestamp: new Date(),
};

try {
  const receipt = await client.send(event, { deadlineMs: 10_000 });
  console.log('Accepted', JSON.stringify(receipt));
} catch (error) {
  if (error instanceof Rejected) {
    // The event is wrong. Sending it again is useless: correct it, or tell a human.
    console.error('Rejected', JSON.stringify(error.detail));
  } else if (error instanceof Unauthorized) {
    console.error('Check the API key:', error.message);
  } else if (error instanceof Unknown) {
    // Keep the event, with its id, and send it again later.
    console.error('Unknown', JSON.stringify(error.event), error.message);
  } else {
    throw error;
  }
  process.exitCode = 1;
}
