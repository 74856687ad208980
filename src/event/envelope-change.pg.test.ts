/**
 * One place knows the fields of the envelope: a further optional field needs a line in envelope.ts
 * and a migration, and everything else follows. This test makes that change in a copy of src/ and
 * tries it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createEmptyDatabase } from '../../test/support/database.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const FIELD = `  {
    name: 'channel',
    property: 'channel',
    column: 'channel',
    sqlType: 'text',
    presence: 'optional',
    digestAt: null,
    check: checkUserId,
    usual: { pattern: '"([a-z]{1,20})"', groups: 1 },
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: 'web',
    description: 'Where the order was placed.',
  },
] as const satisfies`;
const MIGRATION = 'ALTER TABLE processed_events ADD COLUMN channel text;\n';

it('A further optional field touches the table of the envelope and a migration, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-change-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const table = join(folder, 'src/event/envelope.ts');
  const before = await readFile(table, 'utf8');
  await writeFile(table, before.replace('] as const satisfies', FIELD));
  await writeFile(join(folder, 'src/store/migrations/9000-channel.sql'), MIGRATION);
  await writeFile(join(folder, 'try.ts'), TRY);
  const { url } = await createEmptyDatabase(t);
  const options = { env: { ...process.env, DATABASE_URL: url }, cwd: folder };
  const { stdout } = await promisify(execFile)(process.execPath, ['try.ts'], options);
  assert.deepEqual(JSON.parse(stdout), {
    outcomes: [2, 1, 1],
    column: ['web', null],
    status: 'web',
    payloads: ['app', 'web'],
    described: ['channel'],
    handled: ['web', null],
    isProven: true,
    oldDigestStays: true,
    altered: ['altered'],
  });
});

/** Runs in the copy. It uses the product's functions as the services do. */
const TRY = `
import { randomUUID } from 'node:crypto';
import { EVENT_SCHEMA } from './src/event/event-schema.ts';
import { UNDECLARED } from './src/event/event-rules.ts';
import { digestOf } from './src/event/order-event.ts';
import { parseEvent } from './src/event/parse-event.ts';
import { ParkGuard } from './src/inbox/park-guard.ts';
import { processBatch } from './src/inbox/process-batch.ts';
import { recordOf } from './src/ingest/accept-event.ts';
import { logRecord } from './src/log/log-record.ts';
import { createPool } from './src/store/pool.ts';
import { findEvent } from './src/store/event-status.ts';
import { logIdOf } from './src/store/logs.ts';
import { migrate } from './src/store/migrate.ts';
import { ensurePositions } from './src/store/positions.ts';
import { USUAL_MODEL } from './src/store/event-model.ts';
import { verify } from './src/verify/verify.ts';

const pool = createPool({
  connectionString: process.env.DATABASE_URL as string,
  name: 'change',
  connectionsMax: 2,
  queryTimeoutMs: 30_000,
});
await migrate(pool);
const topic = 'order_events';
const logId = await logIdOf(pool, { topic, topicId: 't', partitions: 1 });
await ensurePositions(pool, topic, logId, new Map([[0, { start: 0, end: 0 }]]));
const handled: unknown[] = [];
const handler = {
  name: 'watch',
  handle: async (events: readonly object[]) => {
    handled.push(...events.map((event) => (event as { channel: unknown }).channel));
  },
};
const context = {
  pool, topic, logId, owner: 'test', ...USUAL_MODEL,
  limits: { lockMs: 5000, statementMs: 5000, idleMs: 5000 },
  handlers: { handlers: [handler], timeoutMs: 1000, attemptsMax: 5 },
  parkGuard: new ParkGuard(100),
};
const plain = {
  event_id: randomUUID(), order_id: randomUUID(), user_id: 'u', total_amount: '1',
  timestamp: '2026-01-02T03:04:05Z',
};
const web = { ...plain, event_id: randomUUID(), channel: 'web' };
const records = [web, web, { ...web, channel: 'app' }, plain].map((event, offset) => {
  const parsed = parseEvent(Buffer.from(JSON.stringify(event)), UNDECLARED);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed));
  const { key, value, headers = [] } = recordOf(parsed.event, { requestId: randomUUID(), trace: [] });
  return logRecord({ partition: 0, offset, key, value, headers, appendedMs: 0 });
});
const slice = { partition: 0, from: 0, next: 4, records, gaps: [], leaderEpoch: -1 };
const outcome = await processBatch(context as never, slice as never);
const rows = async (sql: string) => (await pool.query(sql)).rows as Record<string, any>[];
const options = { topic, receipts: null, reader: null, handlers: [], onStep: () => {}, ...USUAL_MODEL };
const status = (await findEvent(pool, web.event_id)) as { channel: string };
const [conflict] = await rows('SELECT payload, first_payload FROM orderonce.conflicts');
const parsed = parseEvent(Buffer.from(JSON.stringify(plain)), UNDECLARED);
const found = {
  outcomes: [outcome.stored, outcome.duplicates.length, outcome.conflicts.length],
  column: (await rows('SELECT channel FROM orderonce.processed_events ORDER BY log_offset')).map((r) => r.channel),
  status: status.channel,
  payloads: [conflict?.payload.channel, conflict?.first_payload.channel],
  described: Object.keys(EVENT_SCHEMA.properties).filter((name) => !EVENT_SCHEMA.required.includes(name)),
  handled,
  isProven: (await verify(pool, options)).isProven,
  oldDigestStays: parsed.ok && digestOf(parsed.event) === digestOf({ ...parsed.event, channel: undefined } as never),
};
await pool.query("UPDATE orderonce.processed_events SET channel = 'x' WHERE channel = 'web'");
const { rows: findings } = await verify(pool, options);
console.log(JSON.stringify({ ...found, altered: findings.map(({ kind }) => kind) }));
await pool.end();
`;
