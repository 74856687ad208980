/** Settings of role and database affect neither what is written nor what any reader returns. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createEmptyDatabase, openPool } from '../../test/support/database.ts';
import { type WireEvent, wireEvent } from '../../test/support/events.ts';
import { hostileUrl } from '../../test/support/hostile-role.ts';
import { serve } from '../../test/support/serve.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { addDeadLetterRoutes } from '../admin/dead-letter-routes.ts';
import { addEventRoutes } from '../admin/event-routes.ts';
import { EventWaiters } from '../admin/event-waiters.ts';
import { addLedgerRoutes } from '../admin/ledger-routes.ts';
import { addLookupRoutes } from '../admin/lookup-routes.ts';
import { addOrderRoutes } from '../admin/order-routes.ts';
import { addPositionRoute } from '../admin/position-route.ts';
import type { Call } from '../commands/command.ts';
import { runDeadLetters } from '../commands/dead-letters.ts';
import type { Flags } from '../commands/flags.ts';
import { runMigrate } from '../commands/migrate.ts';
import { Output } from '../commands/output.ts';
import { runLag, runPositions } from '../commands/positions.ts';
import { runVerify } from '../commands/verify.ts';
import { discard, redrive, redriveEdited } from '../dead-letters/redrive.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { NO_HANDLERS } from '../handlers/run-handlers.ts';
import {
  createEmbeddedLog,
  EmbeddedAppender,
  EmbeddedReader,
} from '../log-embedded/embedded-log.ts';
import { readReports, reportPositions } from '../positions/report.ts';
import { createLogger } from '../runtime/logger.ts';
import { startConsumer } from '../services/consumer-service.ts';
import { readDatabaseFacts } from './database-facts.ts';
import { countByReason } from './dead-letter-choice.ts';
import { listDeadLetters, readAudit } from './dead-letter-queue.ts';
import { USUAL_MODEL } from './event-model.ts';
import { countHeldOrders } from './held-orders-report.ts';
import type { LogPlace } from './log-place.ts';
import { migrate } from './migrate.ts';
import { readOutboxLag } from './outbox.ts';
import type { Pool } from './pool.ts';

const TOPIC = 'order_events';
/** All byte values, and bytes that the escape format writes differently. */
const BYTES = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from('\\x41 \\\\ \\001 \\'),
]);
const poison = (order_id: string) => wireEvent({ order_id, total_amount: '666' });

type Traffic = { readonly events: readonly WireEvent[]; readonly parked: WireEvent };

/** Records of one partition: stored, duplicate, conflict, parked, waiting, garbage, a tombstone. */
async function append(pool: Pool): Promise<Traffic> {
  const appender = new EmbeddedAppender(pool, TOPIC);
  const event = wireEvent({
    user_id: 'Zoë 日本 \\ \' " \u{1f600}',
    timestamp: '2026-02-03T23:59:59.000001+14:00',
  });
  const parked = poison(wireEvent().order_id);
  const waiting = wireEvent({ order_id: parked.order_id });
  const other = wireEvent({ user_id: 'é', total_amount: '99999999999999.9999' });
  const events = [event, event, { ...event, total_amount: '0.0001' }, other, parked, waiting];
  const key = Buffer.from(event.order_id);
  const values = [...events.map((e) => Buffer.from(JSON.stringify(e))), BYTES, null];
  await appender.append(
    values.map((value, n) => ({
      key,
      value,
      ...(n % 2 === 0 ? {} : { headers: [[BYTES, null] as const, [key, BYTES] as const] }),
    })),
  );
  return { events, parked };
}

async function consume(t: TestContext, url: string, isDone: () => Promise<boolean>): Promise<void> {
  const settings = testSettings({ ORDER_PROCESSED_TOPIC: 'processed' });
  const pool = openPool(url);
  t.after(() => pool.end());
  const reader = new EmbeddedReader(pool, TOPIC);
  const service = await startConsumer(settings, url, reader, createLogger('silent'));
  t.after(() => service.stop());
  await until('all is processed and published', isDone);
  await service.stop();
}

/** What every reader returns, after a round trip through JSON. */
async function readAll(t: TestContext, url: string, { events }: Traffic, syncs: 'on' | 'off') {
  const pool = openPool(url);
  t.after(() => pool.end());
  const reader = new EmbeddedReader(pool, TOPIC);
  const { get } = await serve(t, (app) => {
    addEventRoutes(app, pool, new EventWaiters(pool), USUAL_MODEL.rules);
    addOrderRoutes(app, pool, USUAL_MODEL);
    addLedgerRoutes(app, pool, UNDECLARED);
    addDeadLetterRoutes(app, pool, UNDECLARED);
    const { rules } = USUAL_MODEL;
    const sources = { db: pool, topic: TOPIC, rules, eventIdAt: async () => null };
    addLookupRoutes(app, pool, sources, async () => []);
    addPositionRoute(app, () => readReports(reader, pool));
  });
  const [letter] = await listDeadLetters(pool, { limit: 1 });
  const place = letter as NonNullable<typeof letter>;
  const of = `${place.logId}/${place.partition}/${place.offset}`;
  const urls = [
    ...new Set(
      events.flatMap((e) => [
        `/events/${e.event_id}`,
        `/orders/${e.order_id}`,
        `/orders/${e.order_id}/events`,
        `/events/${e.event_id}/history`,
        `/find?q=${e.order_id}`,
      ]),
    ),
    '/duplicates',
    '/duplicates/sources',
    '/conflicts',
    '/dead-letters',
    '/dead-letters?limit=1&total=true&q=REFUSED',
    `/dead-letters?after=${letter?.parkedAt}/9/9/9`,
    `/duplicates?sort=oldest&after=2001-02-03T04:05:06.789012Z/1/0/0`,
    '/dead-letters/groups',
    '/positions',
    `/dead-letters/${of}`,
  ];
  const answers: Record<string, unknown> = {};
  for (const path of urls) {
    const { status, body } = await get(path);
    assert.ok(status === 200 || status === 404, `${path}: ${status} ${JSON.stringify(body)}`);
    answers[path] = body;
  }
  answers.counts = [await countByReason(pool), await countHeldOrders(pool)];
  const { topicId, partitions } = await reader.identity();
  const wishes = Array.from({ length: partitions }, (_, partition) => ({ partition, offset: 0 }));
  const log = await reader.fetch(topicId, wishes, { waitMs: 0 } as never);
  const { clockSkewMs, connectionsFree, settings, searchPath, ...facts } = await readDatabaseFacts(
    pool,
    { hasEmbeddedLog: true, keepsOrders: true },
  );
  assert.ok(Math.abs(clockSkewMs) < 5000, `${clockSkewMs}`);
  assert.equal(settings.synchronous_commit, syncs);
  assert.ok(!searchPath.includes(facts.schema));
  const { pending } = await readOutboxLag(pool);
  const answer = {
    answers,
    log,
    facts,
    pending,
    audit: await readAudit(pool, place),
    positions: await reportPositions(reader, pool),
  };
  return JSON.parse(JSON.stringify(answer));
}

const COMMANDS: readonly [run: (call: Call) => Promise<number>, words: string[], flags?: Flags][] =
  [
    [runMigrate, []],
    [runPositions, ['list']],
    [runLag, []],
    [runLag, [], { json: true }],
    [runDeadLetters, ['list']],
    [runDeadLetters, ['groups']],
    [runDeadLetters, ['show', '1/0/4']],
    [runDeadLetters, ['show', '1/0/6'], { json: true }],
  ];

/** What the commands print, without the times that they took. */
async function sayAll(url: string, receipts: string): Promise<string[]> {
  const said: string[] = [];
  const verify: (typeof COMMANDS)[number] = [runVerify, [], { 'against-log': true, receipts }];
  const settings = testSettings({ DATABASE_URL: url, KAFKA_PARTITIONS: '1' });
  const logger = createLogger('silent');
  const stream = { write: (text: string) => said.push(text.trimEnd()) };
  for (const [run, given, flags = {}] of [...COMMANDS, verify]) {
    const [action = null, ...words] = given;
    const out = new Output(flags, { stdout: stream, stderr: stream, env: {} });
    const code = await run({ settings, logger, flags, action, words, out });
    said.push(`${run.name} ${given}: ${code}`);
  }
  return said.map((line) => line.replace(/in [\d.]+ s:/, ''));
}

/** Tables that the hostile role has created and filled, in a schema that is in no search_path. */
async function setUp(t: TestContext) {
  const db = await createEmptyDatabase(t);
  const hostile = await hostileUrl(t, db);
  const pool = openPool(hostile);
  t.after(() => pool.end());
  pool.useSchema('Odd "Schema"');
  await migrate(pool);
  await db.pool.query(
    'ALTER TABLE orderonce.processed_events ADD CONSTRAINT c CHECK (total_amount <> 666)',
  );
  await createEmbeddedLog(pool, TOPIC, 1);
  const traffic = await append(pool);
  await consume(t, hostile, async () => {
    const { rows } = await db.pool.query(
      `SELECT (SELECT sum(next_offset) FROM orderonce.consumer_positions)::int AS n,
              (SELECT count(*) FROM orderonce.outbox WHERE published_at IS NOT NULL)::int AS published`,
    );
    return rows[0].n === 8 && rows[0].published === 2;
  });
  return { db, hostile, pool, traffic };
}

async function receiptsOf(t: TestContext, { event_id }: WireEvent): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'receipts.jsonl');
  await writeFile(file, `${JSON.stringify({ event_id, partition: 0, offset: 0 })}\n`);
  return file;
}

describe('Settings of role and database', () => {
  it('change nothing of what is stored, nor of what any reader answers [G2] [G3]', async (t) => {
    const { db, hostile, traffic } = await setUp(t);
    const found = await readAll(t, hostile, traffic, 'off');
    assert.deepEqual(found, await readAll(t, db.url, traffic, 'on'));
    const [event] = traffic.events as [WireEvent];
    const stored = found.answers[`/events/${event.event_id}`];
    assert.deepEqual(
      [stored.user_id, stored.timestamp, stored.duplicates, stored.conflicts],
      [event.user_id, '2026-02-03T09:59:59.000001Z', 1, 1],
    );
    assert.ok(Math.abs(Date.parse(stored.processed_at) - Date.now()) < 60_000);
    const [first, ...records] = found.log.slices[0].records;
    assert.ok(Math.abs(first.appendedMs - Date.now()) < 60_000);
    assert.deepEqual(Buffer.from(records[5].value.data), BYTES);
    assert.equal(records[6].value, null);
  });

  it('change nothing of what the commands print, and verify proves the account [G3]', async (t) => {
    const { db, hostile, traffic } = await setUp(t);
    const receipts = await receiptsOf(t, traffic.events[0] as WireEvent);
    const said = await sayAll(hostile, receipts);
    assert.deepEqual(
      said.filter((line) => /: [1-9]$/.test(line)),
      [],
    );
    assert.deepEqual(said, await sayAll(db.url, receipts));
  });

  it('change nothing of redrive, edit and discard, nor open the audit to changes [G3]', async (t) => {
    const { db, pool } = await setUp(t);
    await db.pool.query('ALTER TABLE orderonce.processed_events DROP CONSTRAINT c');
    const context = { pool, handlers: NO_HANDLERS, actor: 'test', ...USUAL_MODEL };
    const [parked, , garbage, tombstone] = await listDeadLetters(pool, { limit: 10 });
    const edited = Buffer.from(JSON.stringify(wireEvent()));
    const results = [
      ...(await redrive(context, parked as LogPlace)),
      ...(await redriveEdited(context, garbage as LogPlace, edited)),
      ...(await discard(context, tombstone as LogPlace, 'é \\')),
    ];
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['stored', 'stored', 'stored'],
    );
    const [entry] = (await readAudit(pool, garbage as LogPlace)) as [
      { original_value_base64: string },
    ];
    assert.deepEqual(Buffer.from(entry.original_value_base64, 'base64'), BYTES);
    for (const change of [
      "UPDATE orderonce.dead_letter_audit SET actor = 'x'",
      'DELETE FROM orderonce.dead_letter_audit',
    ]) {
      await assert.rejects(pool.query(change), /append-only/);
    }
  });
});
