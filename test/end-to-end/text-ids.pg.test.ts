/** Ids of other systems, as long as they may be, are found by every route that takes an id. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startEmbeddedServices } from '../support/embedded-services.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce } from '../support/processes.ts';
import { until } from '../support/until.ts';

const EVENTS_MODULE = fileURLToPath(new URL('../support/text-ids-module.ts', import.meta.url));

it('finds events and orders by text ids of 200 characters, whatever these are', async (t) => {
  const { database, producerUrl, consumerUrl } = await startEmbeddedServices(t, { EVENTS_MODULE });
  // Four bytes each in UTF-8, so twelve characters each in a URL.
  const [eventId, orderId] = ['\u{1f600}'.repeat(200), `/?#%${'ß'.repeat(196)}`];
  const event = wireEvent({ event_id: eventId, order_id: orderId });
  const post = async (body: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(body) };
    const answer = await fetch(`${producerUrl}/events`, request);
    assert.equal(answer.status, 202);
    const number = (name: string) => Number(answer.headers.get(`orderonce-${name}`));
    const place = { partition: number('partition'), offset: number('offset') };
    // With the id that was sent, as `send` writes receipts.
    return JSON.stringify({ event_id: eventId, ...place });
  };
  const read = async (url: string) => {
    const answer = await fetch(url);
    return { code: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const receipts: string[] = [];
  for (const one of [event, event, { ...event, user_id: 'other' }]) receipts.push(await post(one));
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

  const folder = await mkdtemp(join(tmpdir(), 'orderonce-ids-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'receipts'), receipts.join('\n'));
  const run = async (...args: string[]) => {
    const command = new Orderonce(t, args, { DATABASE_URL: database.url, EVENTS_MODULE }, folder);
    return { code: await command.exit(), output: command.output };
  };
  const list = ['dead-letters', 'list', '--event', eventId, '--order', orderId];
  assert.match((await run(...list)).output, /NOTHING_MATCHES/);
  assert.match((await run('dead-letters', 'list', '--order', 'x'.repeat(201))).output, /no id of/);
  const proof = await run('verify', '--against-log', '--receipts', 'receipts');
  assert.equal(proof.code, 0, proof.output);
  assert.match(proof.output, /"accounted":3/);
  // The text is in no digest, and only the log still has it.
  await database.pool.query('UPDATE processed_events SET order_id_text = NULL');
  const altered = await run('verify', '--against-log');
  assert.equal(altered.code, 1);
  assert.match(altered.output, /is not the record that became stored/);
});
