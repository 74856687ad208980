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
import { wireEvent } from '../support/events.ts';
import { KAFKA, newTopicName } from '../support/kafka.ts';
import { LIVE_FAULTS } from '../support/live-faults.ts';
import { startMixedLoad } from '../support/mixed-load.ts';
import { Orderonce } from '../support/processes.ts';
import { until } from '../support/until.ts';

const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 20);
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

describe('The continuous proof', { skip: KAFKA === undefined }, () => {
  const timeout = (SOAK_SECONDS + 1800) * 1000;
  it('finds nothing through kills, rebalances, redrives and edits, and then each planted fault [G3]', {
    timeout,
  }, async (t) => {
    const { db, topic, env } = await setUp(t);
    const load = startMixedLoad(topic);
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
    for (const [title, kind, sql] of LIVE_FAULTS) {
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
      ).catch(async (error) => {
        throw new Error(`${error.message}: ${JSON.stringify(await summary())}`);
      });
      t.diagnostic(`| ${title} | \`${kind}\` | ${seconds} s |`);
    }
    const proof = new Orderonce(t, ['proof'], env);
    assert.equal(await proof.exit(), 1);
    assert.match(proof.output, /NOT proven: \d+ findings/);
  });
});
