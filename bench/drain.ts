/**
 * Drain: a backlog on Kafka, then one consumer process; events per second from the first
 * transaction to the last. A run counts only if every record of the log is accounted for.
 */
import { parseEvent } from '../src/event/parse-event.ts';
import { recordOf } from '../src/ingest/accept-event.ts';
import { KafkaAppender } from '../src/log/kafka-appender.ts';
import { RequestIds } from '../src/log/request-id.ts';
import type { Pool } from '../src/store/pool.ts';
import { cpuSecondsOfFamily } from './cpu.ts';
import { freshDatabase, openPool } from './databases.ts';
import { eventSource, type Mix } from './mixes.ts';
import type { RandomEvent } from './random-event.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess, TREE } from './service-process.ts';

const APPEND_BATCH = 500;
const POLL_MS = 10;

export type DrainResult = {
  readonly events: number;
  readonly seconds: number;
  readonly events_per_second: number;
  readonly consumer_cpu_us_per_event: number;
  readonly postgres_cpu_us_per_event: number;
  readonly both_cpu_us_per_event: number;
};

export type DrainOptions = {
  readonly events: number;
  readonly mix?: Mix;
  /** Whose consumer drains: this checkout, or another one to compare with. */
  readonly tree?: string;
  /** Settings beside the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Called with the database as the drain has left it. */
  readonly afterwards?: (pool: Pool) => Promise<void>;
};

let drains = 0;

export async function drain(servers: Servers, options: DrainOptions): Promise<DrainResult> {
  const { events, mix = 'distinct', tree = TREE, settings = {}, afterwards } = options;
  const topic = `drain_${process.pid}_${++drains}`;
  const env = {
    ...settings,
    DATABASE_URL: await freshDatabase(servers, topic),
    KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    CONSUMER_PORT: '0',
  };
  const pool = openPool(env.DATABASE_URL);
  await new ServiceProcess('migrate', env, tree).ended();
  await fill(servers.bootstrap, topic, events, eventSource(mix));
  await pool.query('CHECKPOINT');
  const consumer = new ServiceProcess('consumer', env, tree);
  try {
    const first = await untilProcessed(pool, 1);
    const cpuBefore = consumer.cpuSeconds();
    const postgresBefore = cpuSecondsOfFamily(servers.databasePid);
    const last = await untilProcessed(pool, events);
    const cpu = consumer.cpuSeconds() - cpuBefore;
    const postgres = cpuSecondsOfFamily(servers.databasePid) - postgresBefore;
    await assertComplete(pool, events, settings.ORDERS_PROJECTION !== 'off');
    await afterwards?.(pool);
    const seconds = (last.atMs - first.atMs) / 1000;
    return {
      events,
      seconds,
      events_per_second: Math.round((events - first.processed) / seconds),
      consumer_cpu_us_per_event: (cpu / (events - first.processed)) * 1e6,
      postgres_cpu_us_per_event: (postgres / (events - first.processed)) * 1e6,
      both_cpu_us_per_event: ((cpu + postgres) / (events - first.processed)) * 1e6,
    };
  } finally {
    await consumer.stop();
    await pool.end();
  }
}

/** With records as our own API writes them: in canonical form, with a request id. */
async function fill(
  bootstrapServers: string,
  topic: string,
  events: number,
  nextEvent: () => RandomEvent,
): Promise<void> {
  const requestIds = new RequestIds();
  const appender = new KafkaAppender({ bootstrapServers, topic, clientId: 'bench' });
  for (let sent = 0; sent < events; sent += APPEND_BATCH) {
    const count = Math.min(APPEND_BATCH, events - sent);
    await appender.append(
      Array.from({ length: count }, () => {
        const parsed = parseEvent(Buffer.from(JSON.stringify(nextEvent())));
        if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
        return recordOf(parsed.event, requestIds.next());
      }),
    );
  }
  await appender.close(1000);
}

/** Positions and effects move together, so the positions tell how much is done. */
async function untilProcessed(pool: Pool, wanted: number) {
  for (;;) {
    const { rows } = await pool.query<{ n: number }>(
      'SELECT coalesce(sum(next_offset), 0)::bigint AS n FROM consumer_positions',
    );
    const processed = rows[0]?.n ?? 0;
    if (processed >= wanted) return { processed, atMs: performance.now() };
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/** Every record of the log is stored or a duplicate, and every order counts its events. */
async function assertComplete(pool: Pool, events: number, hasOrders: boolean): Promise<void> {
  const { rows } = await pool.query(
    `SELECT (SELECT count(*) FROM processed_events) AS stored,
            (SELECT count(*) FROM duplicates) AS duplicates,
            (SELECT coalesce(sum(event_count), 0)::bigint FROM orders) AS effects`,
  );
  const { stored, duplicates, effects } = rows[0];
  if (stored + duplicates === events && effects === (hasOrders ? stored : 0)) return;
  throw new Error(`Not complete, so no figure: ${JSON.stringify(rows[0])} of ${events}`);
}
