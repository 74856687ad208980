/**
 * A new type of events is rolled out and taken back under load, with the consumers or the producers
 * first. Consumers that do not know it park its events and hold their orders, until one knows it.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../support/database.ts';
import { type WireEvent, wireEvent } from '../support/events.ts';
import { freePort } from '../support/free-port.ts';
import { count } from '../support/heart.ts';
import { KAFKA, newTopicName } from '../support/kafka.ts';
import { Orderonce } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const ORDERS = 200;
/** How many of them get an event at the same time. */
const WIDTH = 5;
const STEP_MS = 4000;
const SHIPPED_SHARE = 0.02;
const TYPES = { old: ['order.placed'], new: ['order.placed', 'order.shipped'] } as const;
type Release = keyof typeof TYPES;
type Role = 'producer' | 'consumer';

/** Notes in which order events took effect. The user id of each is its number within its order. */
const HANDLERS = `
export const handlers = [{
  name: 'seen',
  async handle(events, tx) {
    await tx.query(
      'INSERT INTO seen (order_id, n) SELECT * FROM unnest($1::uuid[], $2::int[])',
      [events.map((e) => e.orderId), events.map((e) => Number(e.userId))],
    );
  },
}];
`;
const moduleOf = (types: readonly string[]) => `
import { defineEvents } from 'orderonce/events';
const data = { type: 'object', properties: { note: { type: 'string' } }, additionalProperties: false };
export default defineEvents({ ${types.map((type) => `'${type}': { data }`).join(', ')} });
`;

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  await db.pool.query(
    'CREATE TABLE seen (id bigserial PRIMARY KEY, order_id uuid NOT NULL, n int NOT NULL)',
  );
  const folder = await mkdtemp(join(import.meta.dirname, '.roll-out-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'handlers.mjs'), HANDLERS);
  for (const [release, types] of Object.entries(TYPES)) {
    await writeFile(join(folder, `${release}.mjs`), moduleOf(types));
  }
  const topic = newTopicName();
  const fixed = {
    ...{ DATABASE_URL: db.url, KAFKA_BOOTSTRAP_SERVERS: KAFKA as string, KAFKA_TOPIC: topic },
    ...{ KAFKA_GROUP_ID: topic, KAFKA_PARTITIONS: '4', LOG_LEVEL: 'warn' },
    ...{ HANDLERS_MODULE: join(folder, 'handlers.mjs'), SESSION_TIMEOUT_MS: '6000' },
    HANDLER_TIMEOUT_MS: '2000',
  };
  const envOf = (release: Release) => ({
    ...fixed,
    EVENTS_MODULE: join(folder, `${release}.mjs`),
  });
  assert.equal(await new Orderonce(t, ['migrate'], envOf('new')).exit(), 0);
  const running = new Map<string, Orderonce>();
  /** @returns its port. */
  const start = async (release: Release, role: Role): Promise<number> => {
    const port = await freePort();
    const own = { [`${role.toUpperCase()}_PORT`]: String(port) };
    const service = new Orderonce(t, [role], { ...envOf(release), ...own });
    running.set(`${release} ${role}`, service);
    await service.untilHealthy(port);
    return port;
  };
  const stop = async (release: Release, role: Role) => {
    assert.equal(await running.get(`${release} ${role}`)?.kill('SIGTERM'), 0);
  };
  return { db, start, stop, run: (...words: string[]) => new Orderonce(t, words, envOf('new')) };
}

/** A sender that keeps the order of each order: it sends an event once the one before is accepted. */
class Sender {
  readonly orders = Array.from({ length: ORDERS }, () => ({ id: crypto.randomUUID(), sent: 0 }));
  shipped = 0;
  #shop: Shop;
  /** Only a producer that knows the new type accepts it. */
  #mayShip = false;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(port: number) {
    this.#shop = new Shop(port);
    this.#running = this.#run();
  }

  /** From the next event on, it sends to this producer. */
  use(port: number, release: Release): void {
    this.#shop = new Shop(port);
    this.#mayShip = release === 'new';
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const first = Math.trunc(Math.random() * (ORDERS - WIDTH));
      const chosen = this.orders.slice(first, first + WIDTH);
      await Promise.all(chosen.map((order) => this.#sendNext(order)));
      await sleep(20);
    }
  }

  async #sendNext(order: { readonly id: string; sent: number }): Promise<void> {
    const ships = this.#mayShip && Math.random() < SHIPPED_SHARE;
    const shop = this.#shop;
    const type = ships ? 'order.shipped' : 'order.placed';
    const event = wireEvent({ order_id: order.id, user_id: String(order.sent) });
    await shop.send({ ...event, type, data: { note: 'x' } } as WireEvent);
    assert.deepEqual(shop.rejectedIds, [], 'The producer refuses it');
    order.sent += 1;
    this.shipped += ships ? 1 : 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }
}

type Deployment = Awaited<ReturnType<typeof setUp>>;

/** Everything that was sent took effect, once, in order; and `verify` proves it. */
async function assertAllInOrder({ db, run }: Deployment, { orders }: Sender): Promise<void> {
  const all = orders.reduce((sum, { sent }) => sum + sent, 0);
  await until(`${all} events have taken effect`, async () => (await count(db.pool, 'seen')) >= all);
  for (const { id, sent } of orders) {
    const { rows } = await db.pool.query<{ n: number }>(
      'SELECT n FROM seen WHERE order_id = $1 ORDER BY id',
      [id],
    );
    assert.deepEqual(
      rows.map(({ n }) => n),
      Array.from({ length: sent }, (_, n) => n),
    );
  }
  assert.equal(await count(db.pool, 'dead_letters'), 0);
  const verify = run('verify', '--against-log');
  assert.equal(await verify.exit(), 0, verify.output);
}

const redriven = ({ db }: Deployment) => count(db.pool, 'dead_letter_audit');

describe('A new type of events, rolled out and taken back under load', {
  skip: KAFKA === undefined,
}, () => {
  const timeout = 300_000;

  it('with the consumers first: nothing is parked or lost [G3] [G5]', { timeout }, async (t) => {
    const deployment = await setUp(t);
    const { start, stop } = deployment;
    await start('old', 'consumer');
    const before = await start('old', 'producer');
    const sender = new Sender(before);
    await start('new', 'consumer');
    await sleep(STEP_MS);
    await stop('old', 'consumer');
    sender.use(await start('new', 'producer'), 'new');
    await until('the new type is sent', () => sender.shipped > 5);
    // Back: first nobody sends the type any more, then nobody knows it.
    sender.use(before, 'old');
    await sleep(STEP_MS);
    await start('old', 'consumer');
    await stop('new', 'consumer');
    await sleep(STEP_MS);
    await sender.stop();
    await assertAllInOrder(deployment, sender);
    assert.equal(await redriven(deployment), 0);
  });

  it('with the producers first: its events and what is behind them wait for a consumer that knows it [G3] [G5]', {
    timeout,
  }, async (t) => {
    const deployment = await setUp(t);
    const { db, start, stop } = deployment;
    await start('old', 'consumer');
    const before = await start('old', 'producer');
    const sender = new Sender(before);
    const after = await start('new', 'producer');
    sender.use(after, 'new');
    const isParked = async () => (await count(db.pool, 'held_orders')) > 2;
    await until('orders are held', isParked);
    await start('new', 'consumer');
    await stop('old', 'consumer');
    const isFree = async () => (await count(db.pool, 'held_orders')) === 0;
    await until('no order is held', isFree);
    // Back in the wrong order: while the type is still sent, nobody knows it any more.
    await start('old', 'consumer');
    await stop('new', 'consumer');
    await until('orders are held again', isParked);
    sender.use(before, 'old');
    await start('new', 'consumer');
    await until('no order is held once more', isFree);
    await sender.stop();
    await assertAllInOrder(deployment, sender);
    assert.ok((await redriven(deployment)) > 0);
    t.diagnostic(
      `${sender.shipped} events of the new type, ${await redriven(deployment)} redriven`,
    );
  });
});
