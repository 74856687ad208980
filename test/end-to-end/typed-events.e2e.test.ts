/** A deployment that declares its events, as its clients and its operators see it. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createEmptyDatabase } from '../support/database.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { until } from '../support/until.ts';

const PORTS = { PRODUCER_PORT: '18160', CONSUMER_PORT: '18161' };
const API = `http://127.0.0.1:${PORTS.PRODUCER_PORT}`;
const STATUS = `http://127.0.0.1:${PORTS.CONSUMER_PORT}`;

const MODULE = `
import { defineEvents } from 'orderonce/events';
export default defineEvents({
  'order.placed': {
    data: {
      type: 'object',
      properties: {
        currency: { type: 'string', pattern: '^[A-Z]{3}$' },
        lines: {
          type: 'array',
          items: { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] },
        },
      },
      required: ['currency'],
    },
  },
  'order.cancelled': { amount: 'none' },
}, { ids: { event: 'stripe', order: 'shopify' } });
`;

function placed(parts: object = {}) {
  return {
    event_id: `evt_${randomUUID()}`,
    order_id: '#1001',
    user_id: 'user-1',
    total_amount: '10.50',
    timestamp: '2026-01-02T03:04:05Z',
    type: 'order.placed',
    data: { currency: 'EUR', lines: [{ sku: 'a' }] },
    ...parts,
  };
}

type Description = { components: { schemas: { Event: { oneOf: { title: string }[] } } } };

async function post(event: object) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`${API}/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify(event),
  });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body };
}

async function get(path: string) {
  const response = await fetch(`${STATUS}${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function statusIs(eventId: string, wanted: string): Promise<boolean> {
  return (await get(`/events/${eventId}`)).body.status === wanted;
}

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-events-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'events.mjs'), MODULE);
  const { pool, url } = await createEmptyDatabase(t);
  const env = { ...PORTS, DATABASE_URL: url, KAFKA_PARTITIONS: '2', LOG_LEVEL: 'info' };
  const run = (command: string[], more: Record<string, string> = {}) =>
    new Orderonce(t, command, { ...env, ...more }, folder);
  return { pool, run, typed: { EVENTS_MODULE: 'events.mjs' } };
}

describe('A deployment that declares its events', () => {
  it('takes them by HTTP, under the ids of another system, and proves them [G2] [G4] [G8]', async (t) => {
    const { run, typed } = await setUp(t);
    run(['start'], typed);
    await untilHealthy(Number(PORTS.PRODUCER_PORT));
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    const event = placed();
    const first = await post(event);
    assert.deepEqual([first.status, first.body.event_id], [202, event.event_id]);
    const { data, ...rest } = event;
    const again = await post({ data: { lines: data.lines, currency: 'EUR' }, ...rest });
    const other = await post({ ...event, data: { ...data, lines: [] } });
    assert.deepEqual([again.status, other.status], [202, 202]);
    assert.equal((await post(placed({ data: { currency: 'eur', lines: [{}] } }))).status, 422);
    const found = await until('the event and its conflict are known', async () => {
      const { status, body } = await get(`/events/${event.event_id}`);
      return status === 200 && body.conflicts === 1 ? body : null;
    });
    assert.deepEqual(
      [found.sent_event_id, found.type, found.version, found.data, found.duplicates],
      [event.event_id, 'order.placed', 1, data, 1],
    );
    const order = await get('/orders/%231001');
    assert.deepEqual(order.body.amount_sums, { EUR: '10.5000' });
    const verify = run(['verify', '--against-log'], typed);
    assert.equal(await verify.exit(), 0, verify.output);
    const described = (await (await fetch(`${API}/openapi.json`)).json()) as Description;
    const titles = described.components.schemas.Event.oneOf.map(({ title }) => title);
    assert.deepEqual(titles, ['untyped', 'order.placed', 'order.cancelled']);
  });

  it('holds an order at an event that its consumer does not know, until one does [G3] [G5]', async (t) => {
    const { pool, run, typed } = await setUp(t);
    assert.equal(await run(['migrate'], typed).exit(), 0);
    const order_id = randomUUID();
    const plain = {
      event_id: randomUUID(),
      order_id,
      user_id: 'u',
      total_amount: 1,
      timestamp: '2026-01-02T03:04:05Z',
    };
    run(['producer'], typed);
    const old = run(['consumer']);
    await untilHealthy(Number(PORTS.PRODUCER_PORT));
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    const unknown = placed({ event_id: randomUUID(), order_id });
    const behind = { ...plain, event_id: randomUUID() };
    for (const event of [plain, unknown, behind]) assert.equal((await post(event)).status, 202);
    await until('the later event waits', () => statusIs(behind.event_id, 'waiting'));
    assert.equal((await get(`/events/${unknown.event_id}`)).body.reason, 'unknown_type');
    await old.kill('SIGTERM');
    run(['consumer'], typed);
    await until('the later event is stored', () => statusIs(behind.event_id, 'stored'));
    const { rows } = await pool.query(
      'SELECT event_id FROM orderonce.processed_events ORDER BY log_offset',
    );
    assert.deepEqual(
      rows.map((row) => row.event_id),
      [plain.event_id, unknown.event_id, behind.event_id],
    );
    const verify = run(['verify', '--against-log'], typed);
    assert.equal(await verify.exit(), 0, verify.output);
  });
});
