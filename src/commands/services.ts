/** `orderonce producer`, `orderonce consumer`, and `orderonce start`, which is both and more. */
import { startEmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { reasonOf } from '../errors.ts';
import { startProducer } from '../ingest/producer-service.ts';
import { openAppender, openReader } from '../log/open-log.ts';
import { startConsumer } from '../process/consumer-service.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import type { Settings } from '../settings.ts';
import type { Pool } from '../store/pool.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { exampleCurl } from './example-event.ts';
import { migrateAll } from './migrate.ts';
import { runUntilSignal } from './run-until-signal.ts';

export async function runProducer(settings: Settings, logger: Logger): Promise<number> {
  const pools = new Pools(settings.KAFKA_BOOTSTRAP_SERVERS ? '' : await databaseUrlOf(settings));
  const log = openAppender(settings, () => pools.open('orderonce-log'));
  const producer = await startProducer(settings, log, logger);
  logger.info({ port: producer.port, topic: settings.KAFKA_TOPIC }, 'Producer listens');
  return await runUntilSignal([producer, pools], logger);
}

export async function runConsumer(settings: Settings, logger: Logger): Promise<number> {
  const url = await databaseUrlOf(settings);
  const pools = new Pools(url);
  const reader = openReader(settings, () => pools.open('orderonce-log'));
  const consumer = await startConsumer(settings, url, reader, logger);
  logger.info({ port: consumer.port, topic: settings.KAFKA_TOPIC }, 'Consumer listens');
  return await runUntilSignal([consumer, pools], logger);
}

/** All in one process, with the embedded stand-ins where nothing is set. */
export async function runStart(settings: Settings, logger: Logger): Promise<number> {
  const say = (line: string) => console.log(line);
  const embedded =
    settings.DATABASE_URL === undefined
      ? await startEmbeddedPostgres(settings.ORDERONCE_DATA_DIR, say)
      : null;
  const url = embedded?.url ?? (settings.DATABASE_URL as string);
  const pools = new Pools(url);
  const services: Service[] = embedded === null ? [pools] : [pools, embedded];
  try {
    await migrateWhenReady(settings, pools.open('orderonce-migrate'), say);
    const appender = openAppender(settings, () => pools.open('orderonce-log'));
    const producer = await startProducer(settings, appender, logger);
    services.unshift(producer);
    const reader = openReader(settings, () => pools.open('orderonce-log-reader'));
    const consumer = await startConsumer(settings, url, reader, logger);
    // The API first, so that nothing new comes while the consumer finishes.
    services.splice(1, 0, consumer);
    say(bannerOf(settings, producer.port, consumer.port, embedded?.port));
  } catch (error) {
    for (const service of services) await service.stop();
    throw error;
  }
  return await runUntilSignal(services, logger, embedded?.died);
}

/** A real Kafka or PostgreSQL may come later than we do: wait, and say for what. */
async function migrateWhenReady(settings: Settings, pool: Pool, say: (line: string) => void) {
  for (let attempt = 1; ; attempt++) {
    try {
      await migrateAll(settings, pool);
      return;
    } catch (error) {
      const isFinal = (error as { kind?: string }).kind === 'terminal';
      if (isFinal) throw error;
      if (attempt % 5 === 1) say(`Waiting for database and log: ${reasonOf(error)}`);
      await pause(backoffMs(attempt, { firstMs: 300, mostMs: 3000 }));
    }
  }
}

/** Pools for one database, opened when asked for and ended together. */
class Pools implements Service {
  readonly #url: string;
  readonly #open: Pool[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  open(name: string): Pool {
    const pool = openPool(this.#url, name);
    this.#open.push(pool);
    return pool;
  }

  async stop(): Promise<void> {
    const ending = Promise.allSettled(this.#open.splice(0).map((pool) => pool.end()));
    await Promise.race([ending, pause(1000)]);
  }
}

function bannerOf(
  settings: Settings,
  producerPort: number,
  consumerPort: number,
  postgresPort: number | undefined,
): string {
  const host = settings.HOST === '0.0.0.0' ? 'localhost' : settings.HOST;
  const log = settings.KAFKA_BOOTSTRAP_SERVERS
    ? `Kafka at ${settings.KAFKA_BOOTSTRAP_SERVERS}, topic ${settings.KAFKA_TOPIC}`
    : 'embedded, in PostgreSQL';
  const database =
    postgresPort === undefined
      ? 'as DATABASE_URL says'
      : `embedded on 127.0.0.1:${postgresPort}, data in ${settings.ORDERONCE_DATA_DIR}`;
  return `
Orderonce runs. Ctrl-C drains and stops it.
  ingest API   http://${host}:${producerPort}/events   (docs: http://${host}:${producerPort}/docs)
  status       http://${host}:${consumerPort}/events/{event_id}   health: http://${host}:${consumerPort}/health
  log          ${log}
  PostgreSQL   ${database}

Try it, twice; the second time it is a duplicate, and event_count stays 1:
${exampleCurl(`http://${host}:${producerPort}`)}
`;
}
