import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createDatabase, createEmptyDatabase } from '../../test/support/database.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, processAll, setUpHeart } from '../../test/support/heart.ts';
import { asRole } from '../../test/support/roles.ts';
import { JobWorker } from '../dead-letters/job-worker.ts';
import { redrive } from '../dead-letters/redrive.ts';
import type { Handler } from '../handlers/handler.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import { createLogger } from '../runtime/logger.ts';
import { addActivity, compactActivity } from './activity.ts';
import { assertMigrated } from './assert-migrated.ts';
import { readDatabaseFacts } from './database-facts.ts';
import { USUAL_MODEL } from './event-model.ts';
import { removeProcess, reportProcess } from './processes.ts';
import { findJob, insertJob } from './redrive-jobs.ts';

const USE = { hasEmbeddedLog: false, keepsOrders: true };
const DENIED = { code: '42501' };
/** Statements that only the owner may run: they change the record of what took effect. */
const APPEND_ONLY = ['processed_events', 'duplicates', 'conflicts', 'dead_letter_audit'];

it('the role of consumers cannot change or remove what is stored, nor alter a table [G3]', async (t) => {
  const consumer = await asRole(t, await createDatabase(t), 'orderonce_consumer');
  for (const table of APPEND_ONLY) {
    await consumer.query(`SELECT FROM ${table}`);
    await assert.rejects(consumer.query(`DELETE FROM ${table}`), DENIED);
    await assert.rejects(consumer.query(`TRUNCATE ${table}`), DENIED);
    await assert.rejects(consumer.query(`ALTER TABLE ${table} ADD COLUMN x int`));
  }
  await assert.rejects(consumer.query('UPDATE processed_events SET total_amount = 1'), DENIED);
});

it('the role of consumers can do all that the heart does, parking and redriving too [G3]', async (t) => {
  const { pool: owner, url, context } = await setUpHeart(t);
  // A trigger of the owner refuses the event, so that it is parked.
  await owner.query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE check_violation; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON processed_events FOR EACH ROW
     WHEN (NEW.user_id = 'bad') EXECUTE FUNCTION refuse()`,
  );
  const pool = await asRole(t, { pool: owner, url }, 'orderonce_consumer');
  const event = wireEvent();
  const bad = wireEvent({ user_id: 'bad' });
  const records = [event, event, { ...event, total_amount: '11' }, 'garbage', bad];
  const slice = { ...sliceOfEvents(0, records), gaps: [] };
  await processAll({ ...context, pool }, slice);
  const handlers = NO_HANDLERS;
  const { rows } = await owner.query(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS "offset"
       FROM dead_letters WHERE event_id = $1`,
    [bad.event_id],
  );
  await owner.query('DROP TRIGGER refuse ON processed_events');
  const [result] = await redrive({ pool, handlers, actor: 'test', ...USUAL_MODEL }, rows[0]);
  assert.equal(result?.outcome, 'stored');
  assert.equal(await count(owner, 'processed_events'), 2);
});

it('the role of consumers can report processes and activity, and carry out jobs', async (t) => {
  const { pool: owner, url } = await createDatabase(t);
  const pool = await asRole(t, { pool: owner, url }, 'orderonce_consumer');
  const report = { owner: 'a', service: 'consumer', version: '1', handlers: [], partitions: [] };
  await reportProcess(pool, { ...report, handlersDigest: null });
  await removeProcess(pool, 'a');
  await addActivity(pool, 'a', [{ outcome: 'stored', source: '', n: 1 }]);
  await compactActivity(pool);
  const job = {
    action: 'redrive',
    filter: {},
    places: null,
    until: null,
    total: 0,
    perSecond: null,
  } as const;
  await insertJob(pool, { ...job, askedBy: 'ann', reason: null }, 1);
  await new JobWorker({
    ...{ db: pool, owner: 'a', redrives: { pool, handlers: NO_HANDLERS, ...USUAL_MODEL } },
    logger: createLogger('silent'),
  }).work();
  assert.equal((await findJob(pool, 1))?.state, 'done');
  await assert.rejects(pool.query('DELETE FROM redrive_jobs'), DENIED);
});

it('both roles may use a schema that is not public', async (t) => {
  const { pool: owner, url } = await createEmptyDatabase(t);
  await owner.query('CREATE TABLE orders (id int); CREATE SCHEMA "My Shop"');
  owner.useSchema('My Shop');
  for (const group of ['orderonce_consumer', 'orderonce_reader'] as const) {
    const pool = await asRole(t, { url, pool: owner }, group);
    await assertMigrated(pool);
    await pool.query('SELECT FROM "My Shop".orders');
    await assert.rejects(pool.query('SELECT FROM public.orders'), DENIED);
    const { missingRights, schema } = await readDatabaseFacts(pool, USE);
    assert.equal(schema, 'My Shop');
    assert.ok(!missingRights.some((right) => right.includes('schema')), `${missingRights}`);
  }
  const { rows } = await owner.query('SELECT FROM public.orders');
  assert.equal(rows.length, 0);
});

it('statements of handlers run under orderonce_handler where that is granted, the heart does not [G2]', async (t) => {
  const { pool: owner, url, context } = await setUpHeart(t);
  await owner.query({
    text: `DO $$ BEGIN
      CREATE ROLE orderonce_handler NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END $$`,
  });
  const pool = await asRole(t, { url, pool: owner }, 'orderonce_consumer');
  await owner.query(`GRANT orderonce_handler TO ${pool.name};
    CREATE TABLE ledger (event_id uuid PRIMARY KEY);
    GRANT INSERT ON ledger TO orderonce_handler`);
  const users: unknown[] = [];
  const handler: Handler = {
    name: 'charge',
    handle: async (events, tx) => {
      const { rows } = await tx.query('SELECT current_user AS name');
      users.push(rows[0]?.name);
      const ids = events.map(({ eventId }) => eventId);
      await tx.query('INSERT INTO ledger SELECT unnest($1::uuid[])', [ids]);
      await tx.query('SELECT FROM processed_events, orders LIMIT 1');
      // It lacks the right, so it makes no difference that it resets the setting of the triggers.
      const bad = events.some(({ userId }) => userId === 'bad');
      if (bad) await tx.query(`SELECT set_config('orderonce_guard.handler', '', true)`);
      if (bad) await tx.query('DELETE FROM dead_letters');
      events.map((event) => tx.emit(event, { topic: 'charges', key: 'a', value: 'b' }));
    },
  };
  const handlers = { handlers: [handler], timeoutMs: 2000, attemptsMax: 1 };
  const records = [wireEvent(), wireEvent({ user_id: 'bad' }), wireEvent()];
  await processAll({ ...context, pool, handlers }, sliceOfEvents(0, records));
  assert.deepEqual([...new Set(users)], ['orderonce_handler']);
  const { rows } = await owner.query('SELECT log_offset, sqlstate FROM dead_letters');
  assert.deepEqual(rows, [{ log_offset: 1, sqlstate: '42501' }]);
  assert.deepEqual([await count(owner, 'ledger'), await count(owner, 'outbox')], [2, 2]);
});

it('the role of readers can only read', async (t) => {
  const reader = await asRole(t, await createDatabase(t), 'orderonce_reader');
  const { rows } = await reader.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  assert.ok(rows.length > 15);
  for (const { name } of rows) {
    await reader.query(`SELECT FROM ${name} LIMIT 1`);
    await assert.rejects(reader.query(`DELETE FROM ${name}`), DENIED);
    await assert.rejects(reader.query(`INSERT INTO ${name} DEFAULT VALUES`), DENIED);
  }
});
