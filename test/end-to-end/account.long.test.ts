/**
 * Every record is accounted for. The topic holds many kinds of bad records, consumers are killed
 * while they process them, and afterwards everything that was parked is redriven.
 * ORDERONCE_TEST_EVENTS sets the number of records.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type WireEvent, wireEvent } from '../support/events.ts';
import { foreignProducer, KAFKA, newTopicName } from '../support/kafka.ts';
import { Orderonce } from '../support/processes.ts';
import { until } from '../support/until.ts';

const RECORDS = Number(process.env.ORDERONCE_TEST_EVENTS ?? 20_000);
const PARTITIONS = 4;
const KILLS = 4;
const PRODUCE_BATCH = 1000;

/** Refuses one user (TerminalError) and fails for another, until FIXED=1 is set. */
const MODULE = `
import { TerminalError } from 'orderonce/handlers';
const isFixed = process.env.FIXED === '1';
export const handlers = [{
  name: 'ledger',
  async handle(events, tx) {
    for (const { userId } of events) {
      if (userId === 'terminal' && !isFixed) throw new TerminalError('blocked');
      if (userId === 'flaky' && !isFixed) throw new Error('no idea');
    }
    await tx.query(
      \`INSERT INTO ledger (event_id, order_id, log_offset)
       SELECT event_id, order_id, log_offset
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS e (event_id, order_id, log_offset, n)
        ORDER BY n\`,
      [events.map((e) => e.eventId), events.map((e) => e.orderId), events.map((e) => e.offset)],
    );
  },
  async check(db) {
    const { rows } = await db.query(
      \`SELECT coalesce(p.event_id, l.event_id) AS id FROM processed_events p FULL JOIN ledger l USING (event_id)
        WHERE p.event_id IS NULL OR l.event_id IS NULL\`);
    return rows.map(({ id }) => id + ' is stored or in the ledger, not both');
  },
}];
`;

type RecordToSend = { readonly key: Buffer; readonly value: Buffer | null };

type Load = {
  readonly records: readonly RecordToSend[];
  readonly validIds: ReadonlySet<string>;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly garbage: number;
};

/** Of a hundred records five are resends, one is a conflict, and one is bad in one of five ways. */
function makeLoad(count: number): Load {
  const records: RecordToSend[] = [];
  const valid: WireEvent[] = [];
  const load = { duplicates: 0, conflicts: 0, garbage: 0 };
  const orders = Array.from({ length: Math.ceil(count / 5) }, () => crypto.randomUUID());
  const put = (event: WireEvent, value = JSON.stringify(event)) =>
    records.push({ key: Buffer.from(event.order_id), value: Buffer.from(value) });
  const fresh = (parts: Partial<WireEvent> = {}) => {
    const order_id = orders[Math.trunc(Math.random() * orders.length)] as string;
    const event = wireEvent({ order_id, total_amount: '10.01', ...parts });
    valid.push(event);
    put(event);
  };
  const earlier = () => valid[Math.trunc(Math.random() * valid.length)] as WireEvent;
  /** A bad record, the kinds in turn. The unknown error is rare: it makes its partition wait. */
  const bad = (n: number) => {
    const kind =
      n % 20 === 19 ? 'flaky' : ['bytes', 'event', 'tombstone', 'row', 'terminal'][n % 5];
    if (kind === 'flaky') return fresh({ user_id: 'flaky' });
    if (kind === 'row') return fresh({ total_amount: '666' });
    if (kind === 'terminal') return fresh({ user_id: 'terminal' });
    load.garbage++;
    const key = Buffer.from(crypto.randomUUID());
    if (kind === 'tombstone') return void records.push({ key, value: null });
    const text =
      kind === 'bytes' ? '\u0000garbage' : JSON.stringify(wireEvent({ total_amount: -1 }));
    records.push({ key, value: Buffer.from(text) });
  };
  for (let i = 0; i < count; i++) {
    const slot = i % 100;
    if (valid.length > 0 && slot % 20 === 7) {
      put(earlier());
      load.duplicates++;
    } else if (valid.length > 0 && slot === 11) {
      put({ ...earlier(), timestamp: '2027-01-01T00:00:00Z' });
      load.conflicts++;
    } else if (slot === 50) bad(Math.trunc(i / 100));
    else fresh();
  }
  return { ...load, records, validIds: new Set(valid.map(({ event_id }) => event_id)) };
}

async function sendAll(topic: string, records: readonly RecordToSend[]): Promise<void> {
  const producer = foreignProducer();
  for (let i = 0; i < records.length; i += PRODUCE_BATCH) {
    const messages = records.slice(i, i + PRODUCE_BATCH).map(({ key, value }) => ({
      topic,
      key,
      value: (value ?? undefined) as Buffer,
    }));
    await producer.send({ messages });
  }
  await producer.close();
}

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  await db.pool.query(`CREATE TABLE ledger (n bigserial, event_id uuid PRIMARY KEY, order_id uuid,
                                            log_offset bigint);
    ALTER TABLE processed_events ADD CONSTRAINT limit_666 CHECK (total_amount <> 666)`);
  // Inside the repository, so that Node resolves "orderonce/handlers".
  const folder = await mkdtemp(join(import.meta.dirname, '.account-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'handlers.mjs'), MODULE);
  const topic = newTopicName();
  const env = {
    DATABASE_URL: db.url,
    KAFKA_BOOTSTRAP_SERVERS: KAFKA as string,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    KAFKA_PARTITIONS: String(PARTITIONS),
    CONSUMER_PORT: '0',
    LOG_LEVEL: 'silent',
    SESSION_TIMEOUT_MS: '3000',
    HANDLER_TIMEOUT_MS: '1000',
    HANDLERS_MODULE: join(folder, 'handlers.mjs'),
    HANDLER_ATTEMPTS_MAX: '2',
  };
  assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
  return { db, topic, env };
}

const processed = async ({ pool }: TestDatabase) =>
  Number((await pool.query('SELECT sum(next_offset) AS n FROM consumer_positions')).rows[0].n);

async function verified(t: TestContext, env: Record<string, string>): Promise<void> {
  const verify = new Orderonce(t, ['verify', '--against-log'], env);
  assert.equal(await verify.exit(), 0, verify.output);
  assert.match(verify.output, /handler {3}ledger: proven/);
}

describe(`${RECORDS} records, many of them bad`, { skip: KAFKA === undefined }, () => {
  it('are all accounted for through kills; redriven, all take effect in order [G2] [G3] [G4] [G5] [G6]', async (t) => {
    const { db, topic, env } = await setUp(t);
    const load = makeLoad(RECORDS);
    await sendAll(topic, load.records);
    let consumer = new Orderonce(t, ['consumer'], env);
    for (let kill = 1; kill <= KILLS; kill++) {
      const share = (RECORDS * kill) / (KILLS + 1);
      await until('the next part is processed', async () => (await processed(db)) > share);
      await consumer.kill();
      consumer = new Orderonce(t, ['consumer'], env);
    }
    const options = { withinMs: 150_000, everyMs: 100 };
    await until('the end is reached', async () => (await processed(db)) === RECORDS, options);
    await verified(t, env);
    const counts = async () => {
      const { rows } = await db.pool.query(
        `SELECT (SELECT count(*) FROM processed_events) AS stored,
                (SELECT count(*) FROM ledger) AS effects,
                (SELECT count(*) FROM duplicates) AS duplicates,
                (SELECT count(*) FROM conflicts) AS conflicts,
                (SELECT count(*) FROM dead_letters) AS dead_letters`,
      );
      return rows[0];
    };
    const parked = (await counts()).dead_letters - load.garbage;
    assert.ok(parked > 0);

    await db.pool.query('ALTER TABLE processed_events DROP CONSTRAINT limit_666');
    const redrive = ['dead-letters', 'redrive', '--all', '--json'];
    const redriving = new Orderonce(t, redrive, { ...env, FIXED: '1' });
    assert.equal(await redriving.exit(), 0, redriving.output.slice(-2000));
    assert.deepEqual(await counts(), {
      stored: load.validIds.size,
      effects: load.validIds.size,
      duplicates: load.duplicates,
      conflicts: load.conflicts,
      dead_letters: load.garbage,
    });
    const { rows: disordered } = await db.pool.query(
      `SELECT order_id FROM (SELECT order_id, log_offset, lag(log_offset) OVER (PARTITION BY order_id ORDER BY n) AS before
                               FROM ledger) l WHERE before > log_offset`,
    );
    assert.deepEqual(disordered, [], 'each order took effect in log order');
    await verified(t, env);
    assert.equal(await consumer.kill('SIGTERM'), 0);
    t.diagnostic(`${parked} were parked or waiting, ${load.garbage} were no events`);
  });
});
