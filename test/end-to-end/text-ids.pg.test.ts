/** Ids of other systems, as long as they may be, are found by every route that takes an id. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startEmbeddedServices } from '../support/embedded-services.ts';
import { wireEvent } from '../support/events.ts';
import { until } from '../support/until.ts';

const EVENTS_MODULE = fileURLToPath(new URL('../support/text-ids-module.ts', import.meta.url));

it('finds events and orders by text ids of 200 characters, whatever these are', async (t) => {
  const { producerUrl, consumerUrl } = await startEmbeddedServices(t, { EVENTS_MODULE });
  // Four bytes each in UTF-8, so twelve characters each in a URL.
  const [eventId, orderId] = ['\u{1f600}'.repeat(200), `/?#%${'ß'.repeat(196)}`];
  const event = wireEvent({ event_id: eventId, order_id: orderId });
  const post = async (body: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(body) };
    assert.equal((await fetch(`${producerUrl}/events`, request)).status, 202);
  };
  const read = async (url: string) => {
    const answer = await fetch(url);
    return { code: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  for (const one of [event, event, { ...event, user_id: 'other' }]) await post(one);
  const [ofEvent, ofOrder] = [eventId, orderId].map(encodeURIComponent);
  const found = await until('it is stored, with its repeats', async () => {
    const { code, body } = await read(`${producerUrl}/events/${ofEvent}`);
    return code === 200 && body.conflicts === 1 ? body : null;
  });
  assert.deepEqual([found.sent_event_id, found.duplicates], [eventId, 1]);
  const order = await read(`${consumerUrl}/orders/${ofOrder}`);
  assert.equal(order.body.event_count, 1);
  for (const [path, items] of [
    [`/duplicates?event_id=${ofEvent}`, 1],
    [`/conflicts?event_id=${ofEvent}`, 1],
    [`/dead-letters?event_id=${ofEvent}`, 0],
    [`/dead-letters?order_id=${ofOrder}`, 0],
  ] as const) {
    const { code, body } = await read(consumerUrl + path);
    assert.deepEqual([code, (body.items as unknown[])?.length], [200, items], path.slice(0, 30));
  }
  assert.equal((await read(`${consumerUrl}/conflicts?event_id=${ofEvent}x`)).code, 422);
});
