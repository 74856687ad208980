/**
 * The continuous proof beside consumers that are killed and share partitions anew, while events are
 * redriven, edited and discarded: it finds nothing. Then faults are planted under the same load, and
 * it finds each. SOAK_SECONDS sets how long the first part lasts.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { discard, redriveEdited, redriveMatching } from '../../src/dead-letters/redrive.ts';
import { NO_HANDLERS } from '../../src/handlers/run-handlers.ts';
import { listDeadLetters } from '../../src/store/dead-letter-queue.ts';
import { USUAL_MODEL } from '../../src/store/event-model.ts';
import { readProofSummary } from '../../src/store/proof-summary.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type WireEvent, wireEvent } from '../support/events.ts';
import { foreignProducer, KAFKA, newTopicName } from '../support/kafka.ts';
import { Orderonce } from '../support/processes.ts';
import { until } from '../support/until.ts';

const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 20);
const PER_SEND = Number(process.env.SOAK_BATCH ?? 50);
const SEND_EVERY_MS = 200;
/** Events go to this many of the newest orders. A new event would heal an order that shows another one. */
const OPEN_ORDERS = 200;
/** How long the proof may take to reach everything: a round of the patrol, and more after a soak. */
const FOUND_MS = (600 + SOAK_SECONDS) * 1000;

/** Refuses events of the user "moody" while the table mood has a row; then they are parked. */
const MOOD = `
CREATE TABLE mood (refuses boolean);
CREATE FUNCTION moody() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM mood) THEN RAISE check_violation; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER moody BEFORE INSERT ON processed_events FOR EACH ROW
  WHEN (NEW.user_id = 'moody') EXECUTE FUNCTION moody();
INSERT INTO mood VALUES (true)`;

/** Sends until it is stopped: new events of old and new orders, repeats, conflicts, and garbage. */
function startLoad(topic: string) {
  const stopping = new AbortController();
  const orders: string[] = [];
  const sent: WireEvent[] = [];
  const pick = <T>(list: readonly T[]) => list[Math.trunc(Math.random() * list.length)] as T;
  const next = (): { key: string; value: string } => {
    const dice = Math.random();
    if (dice < 0.05 && sent.length > 0) return messageOf(pick(sent));
    if (dice < 0.06 && sent.length > 0) return messageOf({ ...pick(sent), user_id: 'other' });
    if (dice < 0.065) return { key: crypto.randomUUID(), value: 'garbage' };
    if (dice > 0.7 || orders.length === 0) orders.push(crypto.randomUUID());
    const user_id = dice > 0.99 ? 'moody' : `user-${sent.length % 100}`;
    const event = wireEvent({
      order_id: pick(orders.slice(-OPEN_ORDERS)),
      user_id,
      total_amount: '10.01',
    });
    sent.push(event);
    return messageOf(event);
  };
  const messageOf = (event: WireEvent) => ({ key: event.order_id, value: JSON.stringify(event) });
  const messages = () =>
    Array.from({ length: PER_SEND }, next).map(({ key, value }) => ({
      topic,
      key: Buffer.from(key),
      value: Buffer.from(value),
    }));
  const run = async () => {
    const producer = foreignProducer();
    const inTransactions = foreignProducer(KAFKA as string, `${topic}-tx`);
    for (let n = 1; !stopping.signal.aborted; n++) {
      if (n % 20 !== 0) await producer.send({ messages: messages() });
      else {
        // Markers and aborted records leave offsets without a record.
        const transaction = await inTransactions.beginTransaction();
        const sentBefore = sent.length;
        await transaction.send({ messages: messages() });
        if (n % 40 === 0) await transaction.commit();
        else {
          await transaction.abort();
          // A repeat of these would be a new event.
          sent.length = sentBefore;
        }
      }
      await sleep(SEND_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await Promise.all([producer.close(), inTransactions.close()]);
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const topic = newTopicName();
  const env = {
    DATABASE_URL: db.url,
    KAFKA_BOOTSTRAP_SERVERS: KAFKA as string,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    KAFKA_PARTITIONS: '6',
    CONSUMER_PORT: '0',
    LOG_LEVEL: 'error',
    SESSION_TIMEOUT_MS: '3000',
    HANDLER_TIMEOUT_MS: '1000',
    PROOF_INTERVAL_SECONDS: process.env.ORDERONCE_PROOF_INTERVAL ?? '1',
    PROOF_ROUND_MINUTES: '1',
  };
  assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
  await db.pool.query(MOOD);
  return { db, topic, env };
}

/** Redrives, edits and discards what is parked, and lets events of "moody" pass for a moment. */
async function tendDeadLetters({ pool }: TestDatabase): Promise<number> {
  const context = { pool, handlers: NO_HANDLERS, ...USUAL_MODEL, actor: 'soak' };
  const [letter, garbage] = await Promise.all(
    ['refused_by_database', 'invalid_event'].map(async (reason) => {
      const filter = { reason, state: 'parked', limit: 1 } as const;
      return (await listDeadLetters(pool, filter))[0];
    }),
  );
  let done = 0;
  if (letter?.eventId && letter.orderId) {
    const edit = wireEvent({
      event_id: letter.eventId,
      order_id: letter.orderId,
      user_id: 'edited',
    });
    done += (await redriveEdited(context, letter, Buffer.from(JSON.stringify(edit)))).length;
  }
  if (garbage !== undefined) done += (await discard(context, garbage, 'garbage')).length;
  await pool.query('DELETE FROM mood');
  for await (const { results } of redriveMatching(context, { reason: 'refused_by_database' })) {
    done += results.length;
  }
  await pool.query('INSERT INTO mood VALUES (true)');
  return done;
}

const ANY = '(SELECT event_id FROM processed_events ORDER BY random() LIMIT 1)';
/** One that gets no more events, neither from the log nor from a redrive. */
const ANY_ORDER = `(SELECT order_id FROM orders o WHERE event_count > 1
   AND updated_at < now() - interval '8 s'
   AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.order_id = o.order_id)
 ORDER BY random() LIMIT 1)`;
const PLACE = '(log_id, log_partition, log_offset)';
const RANGE = `log_id || '/' || log_partition || '/' || log_offset || '-' || log_offset`;
/** What is planted, and the kind of finding. Each returns the subject of the finding, or its beginning. */
const FAULTS: readonly (readonly [title: string, kind: string, sql: string])[] = [
  [
    'an altered user',
    'altered',
    `UPDATE processed_events SET user_id = 'x' WHERE event_id = ${ANY}
     RETURNING event_id::text AS subject`,
  ],
  [
    'an event, digest and order replaced',
    'changed',
    `UPDATE processed_events SET digest = sha256(digest) WHERE event_id = ${ANY}
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a deleted event',
    'hole',
    `DELETE FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a deleted duplicate',
    'hole',
    `DELETE FROM duplicates WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM duplicates ORDER BY random() LIMIT 1)
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a doubled outcome',
    'overlap',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT log_id, log_partition, log_offset, event_id FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'an outcome in a log without a position',
    'unowned',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id) SELECT 77, 0, 5, ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'an event in a log without a position',
    'unowned',
    `INSERT INTO processed_events SELECT gen_random_uuid(), order_id, user_id, total_amount, occurred_at,
       digest, 78, 0, 5 FROM processed_events WHERE event_id = ${ANY}
     RETURNING ${RANGE} AS subject`,
  ],
  [
    'a gap that was widened',
    'overlap',
    `UPDATE log_gaps SET to_offset = to_offset + 1 WHERE ctid = (SELECT ctid FROM log_gaps ORDER BY noted_at LIMIT 1)
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a dead letter that nobody discarded',
    'unexplained',
    `UPDATE dead_letters SET state = 'discarded' WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset
       FROM dead_letters WHERE state = 'parked' AND digest IS NULL LIMIT 1)
     RETURNING coalesce(event_id::text, concat_ws('/', log_id, log_partition, log_offset)) AS subject`,
  ],
  [
    'a conflict of a payload with itself',
    'unexplained',
    `UPDATE conflicts SET digest = first_digest WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM conflicts LIMIT 1)
     RETURNING event_id::text AS subject`,
  ],
  [
    'a message of an event that took no effect',
    'orphan',
    `INSERT INTO outbox (message_id, shard, topic, key, headers, event_id, handler, n, published_at)
     VALUES (gen_random_uuid(), 0, 't', '', '{}', gen_random_uuid(), 'h', 0, now())
     RETURNING message_id::text AS subject`,
  ],
  [
    'a duplicate of nothing',
    'orphan',
    `UPDATE duplicates SET event_id = gen_random_uuid() WHERE ${PLACE} = (SELECT log_id, log_partition, log_offset FROM duplicates LIMIT 1)
     RETURNING event_id::text AS subject`,
  ],
  [
    'an effect off by one',
    'effect',
    `UPDATE orders SET event_count = event_count + 1 WHERE order_id = ${ANY_ORDER}
     RETURNING order_id::text AS subject`,
  ],
  [
    'an effect off by a ten-thousandth',
    'effect',
    `UPDATE orders SET amount_sum = amount_sum + 0.0001 WHERE order_id = ${ANY_ORDER}
     RETURNING order_id::text AS subject`,
  ],
  [
    'an order that nobody asked for',
    'effect',
    `INSERT INTO orders SELECT gen_random_uuid(), user_id, total_amount, event_count, amount_sum, last_event_id,
       first_occurred_at, last_occurred_at, last_log_id, last_log_partition, last_log_offset FROM orders LIMIT 1
     RETURNING order_id::text AS subject`,
  ],
  [
    'a lost order',
    'effect',
    `DELETE FROM orders WHERE order_id = (SELECT order_id FROM orders WHERE event_count = 1 LIMIT 1)
     RETURNING order_id::text AS subject`,
  ],
  [
    'an order that shows another event',
    'last event',
    `UPDATE orders o SET last_event_id = p.event_id, last_log_offset = p.log_offset, user_id = p.user_id
       FROM processed_events p WHERE o.order_id = ${ANY_ORDER} AND p.order_id = o.order_id AND p.event_id <> o.last_event_id
     RETURNING o.order_id::text AS subject`,
  ],
  [
    'an id that is stored and parked',
    'claimed twice',
    `INSERT INTO dead_letters (log_id, log_partition, log_offset, event_id, digest, state, reason)
     SELECT 79, 0, 5, event_id, digest, 'discarded', 'x' FROM processed_events WHERE event_id = ${ANY}
     RETURNING event_id::text AS subject`,
  ],
  [
    'a held order with nothing parked',
    'held order',
    `INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())
     RETURNING order_id::text AS subject`,
  ],
  [
    'an outcome past the position',
    'ahead',
    `INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
     SELECT log_id, log_partition, next_offset + 1000000, ${ANY} FROM consumer_positions LIMIT 1
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
  [
    'a skipped offset',
    'hole',
    `UPDATE consumer_positions SET next_offset = next_offset + 1 WHERE log_partition = 0
     RETURNING log_id || '/' || log_partition || '/%' AS subject`,
  ],
];

describe('The continuous proof', { skip: KAFKA === undefined }, () => {
  const timeout = (SOAK_SECONDS + 1800) * 1000;
  it('finds nothing through kills, rebalances, redrives and edits, and then each planted fault [G3]', {
    timeout,
  }, async (t) => {
    const { db, topic, env } = await setUp(t);
    const load = startLoad(topic);
    t.after(() => load.stop());
    const start = () => new Orderonce(t, ['consumer'], env);
    const consumers = [start(), start()];
    const summary = () => readProofSummary(db.pool);
    const { rows: findings, ...count } = { rows: [] as object[], kills: 0, tended: 0, rounds: 0 };
    const endAt = performance.now() + SOAK_SECONDS * 1000;
    let round: string | null = null;
    for (let n = 0; performance.now() < endAt; n++) {
      await sleep(1000);
      count.tended += await tendDeadLetters(db);
      if (n % 10 === 5) {
        await consumers[count.kills % 2]?.kill(count.kills % 3 === 2 ? 'SIGTERM' : 'SIGKILL');
        consumers[count.kills % 2] = start();
        count.kills++;
      }
      const { full_age_seconds: age, round_started_at: began } = await summary();
      if (age !== null && began !== round) count.rounds++;
      round = began;
    }
    const { rows: all } = await db.pool.query('SELECT * FROM proof_findings');
    assert.deepEqual(all, findings);
    const positions = async () => {
      const sql = 'SELECT next_offset AS next FROM consumer_positions ORDER BY log_partition';
      return (await db.pool.query<{ next: number }>(sql)).rows.map(({ next }) => next);
    };
    const before = await positions();
    assert.equal(before.length, 6);
    const moves = async () => (await positions()).every((next, i) => next > (before[i] as number));
    await until('every partition moves after all those kills', moves, { withinMs: 20_000 });
    await until(
      'all is proven, and a round was made',
      async () => {
        const { head_age_seconds: head, full_age_seconds: full } = await summary();
        return head !== null && head < 30 && full !== null;
      },
      { withinMs: FOUND_MS },
    );
    const events = (await db.pool.query('SELECT count(*) AS n FROM processed_events')).rows[0].n;
    t.diagnostic(`${SOAK_SECONDS} s, ${events} events stored, ${JSON.stringify(count)}`);

    const planted: { title: string; kind: string; subject: string; at: string }[] = [];
    for (const [title, kind, sql] of FAULTS) {
      const { rows } = await db.pool.query(sql);
      assert.equal(rows.length, 1, title);
      const now = await db.pool.query('SELECT now()::text AS at');
      planted.push({ title, kind, subject: rows[0].subject, at: now.rows[0].at });
    }
    for (const { title, kind, subject, at } of planted) {
      const seconds = await until(
        `the proof finds ${title}: ${kind} ${subject}`,
        async () => {
          const found = await db.pool.query(
            `SELECT round(extract(epoch FROM min(found_at) - $3::timestamptz), 2)::text AS seconds
               FROM proof_findings WHERE kind = $1 AND subject LIKE $2`,
            [kind, subject, at],
          );
          return found.rows[0].seconds;
        },
        { withinMs: FOUND_MS, everyMs: 200 },
      );
      t.diagnostic(`| ${title} | \`${kind}\` | ${seconds} s |`);
    }
    const proof = new Orderonce(t, ['proof'], env);
    assert.equal(await proof.exit(), 1);
    assert.match(proof.output, /NOT proven: \d+ findings/);
  });
});
