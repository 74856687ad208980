/** `orderonce producer`, `orderonce consumer`, and `orderonce start`, which runs both. */

import { examine } from '../doctor/doctor.ts';
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { DeclaredEvents } from '../event/declared-events.ts';
import { EmbeddedRetention } from '../log-embedded/retention.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import { assertPortFree, baseUrlOf, consumerPlace, producerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { isWorker, Workers } from '../runtime/workers.ts';
import { startConsumer } from '../services/consumer-service.ts';
import { eventModelOf } from '../services/event-model.ts';
import { openAppender, openReader } from '../services/open-log.ts';
import { startProducer } from '../services/producer-service.ts';
import { type Run, runServices } from '../services/run-services.ts';
import { joinSchema } from '../settings/schema-url.ts';
import type { Settings } from '../settings/settings.ts';
import { assertMigrated } from '../store/assert-migrated.ts';
import type { Pool } from '../store/pool.ts';
import { startTracing } from '../tracing/start-tracing.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { exampleCurl } from './example-event.ts';
import { migrateAll } from './migrate.ts';

type PoolLimits = { readonly queryTimeoutMs: number; readonly lifetimeMs: number };
/**
 * For the embedded log. The client waits a little longer than the server's own statement limit.
 * The short lifetime matters to a producer without other connections: after a failover that closed
 * no connection, it would otherwise keep talking to the old server.
 */
const LOG: PoolLimits = { queryTimeoutMs: 5000, lifetimeMs: 15_000 };
/** For migrations and retention. */
const STATEMENTS: PoolLimits = { queryTimeoutMs: 30_000, lifetimeMs: Number.POSITIVE_INFINITY };

/** `orderonce producer`. @returns the exit code: 0 after a signal, 1 if the service cannot run. */
export async function runProducer({ settings, logger: unnamed }: Call): Promise<number> {
  const logger = unnamed.child({ service: 'producer' });
  if (settings.PRODUCER_WORKERS > 1 && !isWorker()) {
    await assertPortFree(producerPlace(settings));
    return await runServices(logger, async ({ add, fail }) => {
      const isHopeless = (code: number) => code === EXIT.usage;
      add(new Workers(settings.PRODUCER_WORKERS, logger, isHopeless, fail));
    });
  }
  const url = settings.KAFKA_BOOTSTRAP_SERVERS ? null : await databaseUrlOf(settings);
  return await runServices(logger, async ({ add, stopping, fail }) => {
    add(await startTracing(settings, 'producer', logger));
    const pools = add(new Pools(url, settings));
    if (url !== null) void refuseUnfit(settings, pools, { fail, stopping });
    const log = await openAppender(settings, () => pools.open('orderonce-log', LOG));
    const { port } = add(await startProducer(settings, log, logger));
    logger.info({ port, topic: log.topic }, 'Producer listens');
  });
}

/** `orderonce consumer`. @returns the exit code: 0 after a signal, 1 if the service cannot run. */
export async function runConsumer({ settings, logger: unnamed }: Call): Promise<number> {
  const logger = unnamed.child({ service: 'consumer' });
  const url = await databaseUrlOf(settings);
  return await runServices(logger, async ({ add, stopping, fail }) => {
    add(await startTracing(settings, 'consumer', logger));
    const pools = add(new Pools(url, settings));
    void refuseUnfit(settings, pools, { fail, stopping });
    const reader = await openReader(settings, () => pools.open('orderonce-log', LOG));
    keepRetention(settings, pools, logger, add);
    const { port } = add(
      await startConsumer(settings, url, reader, logger, (pool) => examine(settings, pool)),
    );
    logger.info({ port, topic: reader.topic }, 'Consumer listens');
  });
}

/**
 * `orderonce start`: producer and consumer in one process, with the embedded PostgreSQL and log
 * unless the settings name real ones. @returns the exit code, as of the other services.
 */
export async function runStart({ settings, logger: unnamed }: Call): Promise<number> {
  const as = (service: string) => unnamed.child({ service });
  const logger = as('start');
  const say = (line: string) => console.log(line);
  return await runServices(logger, async ({ add, stopping, fail }) => {
    await assertPortFree(producerPlace(settings));
    await assertPortFree(consumerPlace(settings));
    add(await startTracing(settings, 'start', logger));
    const { url: bare, embeddedPort } = await findOrStartPostgres(settings, say, add, fail);
    const url = joinSchema(bare, settings.DATABASE_SCHEMA);
    const pools = add(new Pools(url, settings));
    const reader = await openReader(settings, () => pools.open('orderonce-log-reader', LOG));
    const appender = await openAppender(settings, () => pools.open('orderonce-log', LOG));
    keepRetention(settings, pools, logger, add);
    // Services are stopped in reverse order: the API first, so that no new events arrive while the
    // consumer finishes.
    const examined = (pool: Pool) => examine(settings, pool);
    const consumer = add(await startConsumer(settings, url, reader, as('consumer'), examined));
    const producer = add(await startProducer(settings, appender, as('producer')));
    await migrateWhenReady(settings, pools.open('orderonce-migrate'), say, stopping);
    const { declared } = (await eventModelOf(settings)).rules;
    const ports = { producer: producer.port, consumer: consumer.port, postgres: embeddedPort };
    if (!stopping.aborted) say(bannerOf(settings, ports, declared));
  });
}

/**
 * Ends a service whose database can never be used: its encoding is not UTF8, or the tables are
 * those of another application. A server or tables that are only missing may still appear, so the
 * service itself waits for them, and they are examined here once they are there.
 */
async function refuseUnfit(
  settings: Settings,
  pools: Pools,
  { fail, stopping }: Pick<Run, 'fail' | 'stopping'>,
): Promise<void> {
  // The service itself says what is wrong with a module.
  const model = await eventModelOf(settings).catch(() => null);
  if (model === null) return;
  const pool = pools.open('orderonce-check');
  const tables = { projection: model.projection, declared: model.rules.declared };
  for (let attempt = 1; !stopping.aborted; attempt++) {
    try {
      await assertMigrated(pool, tables);
      break;
    } catch (error) {
      if (error instanceof OrderonceError && error.kind === 'terminal') {
        fail(`${error.code}: ${error.message}`);
        break;
      }
    }
    await pause(backoffMs(attempt, { firstMs: 500, mostMs: 10_000 }), stopping);
  }
  await pool.end().catch(() => {});
}

/** Starts the retention of the embedded log. Kafka has its own. */
function keepRetention(settings: Settings, pools: Pools, logger: Logger, add: Run['add']): void {
  if (settings.KAFKA_BOOTSTRAP_SERVERS !== undefined) return;
  const hours = settings.EMBEDDED_LOG_RETENTION_HOURS;
  add(new EmbeddedRetention(pools.open('orderonce-retention'), hours, logger)).start();
}

async function findOrStartPostgres(
  settings: Settings,
  say: (line: string) => void,
  add: Run['add'],
  fail: Run['fail'],
): Promise<{ url: string; embeddedPort?: number }> {
  if (settings.DATABASE_URL !== undefined) return { url: settings.DATABASE_URL };
  const embedded = add(await startEmbeddedPostgres(settings.ORDERONCE_DATA_DIR, say));
  void embedded.died.then((reason) => fail(`The embedded PostgreSQL ended: ${reason}`));
  return { url: embedded.url, embeddedPort: embedded.port };
}

/**
 * Creates tables and topic. A real Kafka or PostgreSQL may start later than this process, so it
 * waits for them and says so. Meanwhile the services listen, and their health gives the reason.
 * @throws what no waiting can resolve (kind `terminal`).
 */
async function migrateWhenReady(
  settings: Settings,
  pool: Pool,
  say: (line: string) => void,
  stopping: AbortSignal,
): Promise<void> {
  for (let attempt = 1; !stopping.aborted; attempt++) {
    try {
      const onWait = (why: string) => say(`Waiting for a lock on a table: ${why}`);
      await migrateAll(settings, pool, onWait, 0);
      return;
    } catch (error) {
      if (error instanceof OrderonceError && error.kind === 'terminal') throw error;
      if (attempt % 5 === 1) say(`Waiting for database and log: ${reasonOf(error)}`);
      await pause(backoffMs(attempt, { firstMs: 300, mostMs: 3000 }), stopping);
    }
  }
}

/** The pools of one database. They are opened on demand and ended together. */
class Pools implements Service {
  readonly #url: string | null;
  readonly #lifetimeMs: number;
  readonly #open: Pool[] = [];

  /** @param url null if open() will not be called. */
  constructor(url: string | null, settings: Settings) {
    this.#url = url;
    this.#lifetimeMs = settings.DATABASE_CONNECTION_LIFETIME_SECONDS * 1000;
  }

  open(name: string, { queryTimeoutMs, lifetimeMs }: PoolLimits = STATEMENTS): Pool {
    const limits = { queryTimeoutMs, lifetimeMs: Math.min(lifetimeMs, this.#lifetimeMs) };
    const pool = openPool(this.#url as string, name, limits);
    this.#open.push(pool);
    return pool;
  }

  async stop(): Promise<void> {
    const ending = Promise.allSettled(this.#open.splice(0).map((pool) => pool.end()));
    await Promise.race([ending, pause(1000)]);
  }
}

type Ports = {
  readonly producer: number;
  readonly consumer: number;
  readonly postgres: number | undefined;
};

function bannerOf(settings: Settings, ports: Ports, declared: DeclaredEvents | null): string {
  // These are the actual ports: with the setting 0, the operating system chooses one.
  const api = baseUrlOf({ ...producerPlace(settings), port: ports.producer });
  const status = baseUrlOf({ ...consumerPlace(settings), port: ports.consumer });
  const log = settings.KAFKA_BOOTSTRAP_SERVERS
    ? `Kafka at ${settings.KAFKA_BOOTSTRAP_SERVERS}, topic ${settings.KAFKA_TOPIC}`
    : 'embedded, in PostgreSQL';
  const database =
    ports.postgres === undefined
      ? 'from DATABASE_URL'
      : `embedded on 127.0.0.1:${ports.postgres}, data in ${settings.ORDERONCE_DATA_DIR}`;
  return `
Orderonce runs. Ctrl-C drains and stops it.
  ingest API   ${api}/events   (docs: ${api}/docs)
  status       ${status}/events/{event_id}   health: ${status}/health
  log          ${log}
  PostgreSQL   ${database}

${tryItText(api, declared)}
`;
}

/** With `untyped: 'refuse'` only the team knows an event that is accepted. */
function tryItText(api: string, declared: DeclaredEvents | null): string {
  if (declared?.untyped === 'refuse') {
    const names = [...declared.types.keys()].slice(0, 5).join(', ');
    return `Every event needs a type (${names}): ${api}/docs shows what it takes.`;
  }
  const what = 'To try it, run these commands twice. The second event is a duplicate';
  return `${what}: "duplicates" becomes 1.\n${exampleCurl(api)}`;
}
