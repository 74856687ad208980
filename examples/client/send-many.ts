/**
 * Sends the events of standard input, one JSON object per line, and prints those that were rejected.
 *
 *   npm start                              (in another terminal)
 *   npm run example examples/client/send-many.ts < events.ndjson
 */
import { createInterface } from 'node:readline';
import { createClient, type NewEvent, Unknown } from 'orderonce/client';

const client = createClient({
  url: process.env.ORDERONCE_URL ?? 'http://localhost:8000',
  ...(process.env.ORDERONCE_KEY === undefined ? {} : { apiKey: process.env.ORDERONCE_KEY }),
});

async function* eventsOfInput() {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== '') yield JSON.parse(line) as NewEvent;
  }
}

const counts = { accepted: 0, rejected: 0, unknown: 0 };
/** The index of the first event without a final verdict. Behind it, some may have been accepted. */
let resumeAt = 0;
try {
  for await (const verdict of client.sendMany(eventsOfInput(), { deadlineMs: 60_000 })) {
    counts[verdict.status]++;
    if (verdict.status !== 'unknown' && verdict.index === resumeAt) resumeAt++;
    if (verdict.status === 'rejected') {
      console.error(`Event ${verdict.index} rejected:`, JSON.stringify(verdict.detail));
    }
  }
} catch (error) {
  if (!(error instanceof Unknown)) throw error;
  // Events that are sent again have no effect if they have the same event_id and payload.
  console.error(`Stopped. Resume at event ${resumeAt}: ${error.message}`);
  process.exitCode = 1;
}
console.log(JSON.stringify(counts));
