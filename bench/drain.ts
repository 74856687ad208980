/**
 * Measures a drain: fills the log with a backlog, then starts consumers, and counts events per
 * second from the first transaction to the last. A run counts only if every record of the log is
 * accounted for.
 */

import type { AppendRecord, LogAppender } from '../src/log/event-log.ts';
import { EmbeddedAppender } from '../src/log-embedded/embedded-log.ts';
import { KafkaAppender } from '../src/log-kafka/appender.ts';
import type { Pool } from '../src/store/pool.ts';
import { cpuSecondsOfFamily } from './cpu.ts';
import { freshDatabase, openPool } from './databases.ts';
import { type Mix, recordSource } from './mixes.ts';
import { EMBEDDED, type Servers } from './servers.ts';
import { ServiceProcess, TREE } from './service-process.ts';

const APPEND_BATCH = 500;
const POLL_MS = 10;

/** CPU times are in microseconds of user and system time. */
export type DrainResult = {
  readonly events: number;
  readonly seconds: number;
  readonly events_per_second: number;
  readonly consumer_cpu_us_per_event: number;
  readonly postgres_cpu_us_per_event: number;
  readonly both_cpu_us_per_event: number;
  readonly wal_bytes_per_event: number;
  /** Share of the updates of `orders` that were heap-only, that is, changed no index; or NaN. */
  readonly hot_share: number;
};

/** What to drain, with what. */
export type DrainOptions = {
  readonly events: number;
  /** Default: `distinct`. */
  readonly mix?: Mix;
  /** The checkout whose code runs. Default: this one. */
  readonly tree?: string;
  /** Additional settings of the consumers. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How many consumer processes drain together. Default: 1. */
  readonly consumers?: number;
  /** A database to copy instead of an empty one. Its events are not counted in the result. */
  readonly template?: string;
  /** Called with the process ids of the consumers after they were started. */
  readonly onStart?: (pids: readonly number[]) => void;
  /** Called at the end with the database, while the consumers still run. */
  readonly afterwards?: (pool: Pool) => Promise<void>;
};

let drains = 0;

/** Runs one drain on a new topic and a new database. @throws if a record is not accounted for. */
export async function drain(servers: Servers, options: DrainOptions): Promise<DrainResult> {
  const { events, mix = 'distinct', tree = TREE, settings = {}, consumers = 1 } = options;
  const topic = `drain_${process.pid}_${++drains}`;
  const env = {
    ...settings,
    DATABASE_URL: await freshDatabase(servers, topic, options.template),
    KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    CONSUMER_PORT: '0',
  };
  const pool = openPool(env.DATABASE_URL);
  await ServiceProcess.command('migrate', env, tree).ended();
  await fill(openAppender(servers, pool, topic), events, recordSource(mix));
  await pool.query('CHECKPOINT');
  const before = await countAll(pool);
  const processes = Array.from({ length: consumers }, () =>
    ServiceProcess.command('consumer', env, tree),
  );
  const cpuSeconds = () => processes.reduce((sum, process) => sum + process.cpuSeconds(), 0);
  options.onStart?.(processes.map(({ pid }) => pid));
  try {
    const first = await untilProcessed(pool, topic, 1);
    const cpuBefore = cpuSeconds();
    const postgresBefore = cpuSecondsOfFamily(servers.databasePid);
    const walBefore = await walBytes(pool);
    const last = await untilProcessed(pool, topic, events);
    const cpu = cpuSeconds() - cpuBefore;
    const postgres = cpuSecondsOfFamily(servers.databasePid) - postgresBefore;
    const wal = (await walBytes(pool)) - walBefore;
    assertComplete(before, await countAll(pool), events, settings.ORDERS_PROJECTION !== 'off');
    await options.afterwards?.(pool);
    // PostgreSQL adds the statistics of a connection, such as heap-only updates, at its end.
    await Promise.all(processes.map((process) => process.stop()));
    const done = events - first.processed;
    const seconds = (last.atMs - first.atMs) / 1000;
    return {
      events,
      seconds,
      events_per_second: Math.round(done / seconds),
      consumer_cpu_us_per_event: (cpu / done) * 1e6,
      postgres_cpu_us_per_event: (postgres / done) * 1e6,
      both_cpu_us_per_event: ((cpu + postgres) / done) * 1e6,
      wal_bytes_per_event: wal / done,
      hot_share: await hotShare(pool),
    };
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
    await pool.end();
  }
}

function openAppender({ bootstrap: bootstrapServers }: Servers, pool: Pool, topic: string) {
  if (bootstrapServers === EMBEDDED) return new EmbeddedAppender(pool, topic);
  return new KafkaAppender({ bootstrapServers, topic, clientId: 'bench' });
}

async function fill(
  appender: LogAppender,
  events: number,
  nextRecord: () => AppendRecord,
): Promise<void> {
  for (let sent = 0; sent < events; sent += APPEND_BATCH) {
    const count = Math.min(APPEND_BATCH, events - sent);
    await appender.append(Array.from({ length: count }, nextRecord));
  }
  await appender.close(1000);
}

/** Waits until so many records are processed. Positions are committed together with effects. */
async function untilProcessed(pool: Pool, topic: string, wanted: number) {
  for (;;) {
    const { rows } = await pool.query<{ n: number }>(
      `SELECT coalesce(sum(next_offset), 0)::bigint AS n FROM consumer_positions WHERE topic = $1`,
      [topic],
    );
    const processed = rows[0]?.n ?? 0;
    if (processed >= wanted) return { processed, atMs: performance.now() };
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

async function walBytes(pool: Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`,
  );
  return rows[0].bytes;
}

/** The share of heap-only updates: PostgreSQL manual, section "Heap-Only Tuples (HOT)". */
async function hotShare(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ share: number | null }>(
    `SELECT n_tup_hot_upd::float8 / nullif(n_tup_upd, 0) AS share
       FROM pg_stat_user_tables WHERE relname = 'orders'`,
  );
  return rows[0]?.share ?? Number.NaN;
}

type Counts = Readonly<Record<'stored' | 'duplicates' | 'effects', number>>;

/** Counts stored events, duplicates, and the events that the orders have counted. */
export async function countAll(pool: Pool): Promise<Counts> {
  const { rows } = await pool.query(
    `SELECT (SELECT count(*) FROM processed_events) AS stored,
            (SELECT count(*) FROM duplicates) AS duplicates,
            (SELECT coalesce(sum(event_count), 0)::bigint FROM orders) AS effects`,
  );
  return rows[0];
}

/**
 * Checks that every record of the log was stored or is a duplicate, and that the orders have
 * counted each stored event once. @param hasOrders false if ORDERS_PROJECTION is off.
 * @throws if not, since then the figure of the run would mean nothing.
 */
export function assertComplete(
  before: Counts,
  after: Counts,
  events: number,
  hasOrders = true,
): void {
  const [stored, duplicates, effects] = (['stored', 'duplicates', 'effects'] as const).map(
    (name) => after[name] - before[name],
  ) as [number, number, number];
  if (stored + duplicates === events && effects === (hasOrders ? stored : 0)) return;
  const counts = JSON.stringify({ stored, duplicates, effects });
  throw new Error(`The run does not count: of ${events} events, the tables have ${counts}`);
}
