/** The consumer service: the consumer, and its HTTP port for health and status. */

import { randomBytes } from 'node:crypto';
import type { Registry } from 'prom-client';
import { addAccess } from '../access/access.ts';
import { addConsoleRoutes } from '../admin/console-routes.ts';
import { addDeadLetterActions } from '../admin/dead-letter-actions.ts';
import { EventWaiters } from '../admin/event-waiters.ts';
import { addLedgerRoutes } from '../admin/ledger-routes.ts';
import { addPositionRoute } from '../admin/position-route.ts';
import { addQueryRoutes } from '../admin/query-routes.ts';
import { Consumer, type ConsumerOptions } from '../consume/consumer.ts';
import { addConsumerMetrics } from '../consume/consumer-metrics.ts';
import { UnattendedWatch } from '../consume/unattended.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { identityOf, nameOf } from '../handlers/handlers-identity.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import { watchStrayErrors } from '../handlers/stray-errors.ts';
import { ParkGuard } from '../inbox/park-guard.ts';
import type { LogReader } from '../log/event-log.ts';
import { addOutboxMetrics } from '../outbox/outbox-metrics.ts';
import { Relay } from '../outbox/relay.ts';
import { readStanding } from '../positions/report.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { addHealthRoutes, Probe } from '../runtime/health.ts';
import { HealthLog } from '../runtime/health-log.ts';
import { closeServer, createHttpServer, listen } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { addMetricsRoute, createRegistry } from '../runtime/metrics.ts';
import { consumerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import { startWatchdog } from '../runtime/watchdog.ts';
import type { Settings } from '../settings/settings.ts';
import { assertMigrated } from '../store/assert-migrated.ts';
import { readDeploymentId, recordHandlers } from '../store/deployment-handlers.ts';
import { readOutboxLag } from '../store/outbox.ts';
import type { Pool } from '../store/pool.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import { assertWritable } from '../store/writable.ts';
import { openConsumerPools } from './consumer-pools.ts';
import { handlerSetOf } from './handler-set.ts';
import { openOutboxLog } from './open-log.ts';

const PROBE_MS = 2000;
const STOP_MS = 6000;
const BODY_BYTES_MAX = 64 * 1024;

export type ConsumerService = Service & { readonly port: number };

/** Starts at once, also while log or database are down, and goes to work when both are there. */
export async function startConsumer(
  settings: Settings,
  databaseUrl: string,
  reader: LogReader,
  logger: Logger,
): Promise<ConsumerService> {
  const limits = limitsOf(settings.SESSION_TIMEOUT_MS);
  const pools = openConsumerPools(databaseUrl, {
    connections: settings.CONSUMER_CONNECTIONS,
    heartStatementMs: limits.statementMs,
    prepares: settings.DATABASE_PREPARED_STATEMENTS === 'on',
    lifetimeMs: settings.DATABASE_CONNECTION_LIFETIME_SECONDS * 1000,
    onWarning: (warning) => logger.warn(warning),
  });
  const registry = createRegistry();
  const handlers = await handlersOf(settings);
  const owner = `${process.env.HOSTNAME ?? 'local'}:${process.pid}:${randomBytes(3).toString('hex')}`;
  const waiters = new EventWaiters(pools.queries);
  const relay = createRelay(settings, pools.outbox, owner, logger);
  const parts = { reader, pool: pools.heart, limits, logger, handlers, owner };
  const consumer = createConsumer(settings, parts, registry, () => {
    waiters.notify();
    // Only handlers emit; without them there is nothing to look for after each commit.
    if (handlers.handlers.length > 0) relay.notify();
  });
  const unattended = new UnattendedWatch(reader, pools.queries, logger, () =>
    consumer.partitions.map(({ partition }) => partition),
  );
  // What could block the event loop for ever is only in handlers.
  const hasModule = settings.HANDLERS_MODULE !== undefined;
  const watchdog = hasModule ? startWatchdog(settings.HANDLER_BLOCK_MS) : null;
  const strayErrors = hasModule ? watchStrayErrors(logger) : null;
  const probe = new Probe(async () => {
    await assertMigrated(pools.health, handlers);
    await assertWritable(pools.health);
  });
  const stopping = new AbortController();
  /** Commands make sure that they speak to a consumer of the same database. */
  let deployment: string | null = null;
  const app = await createHttpServer({
    title: 'Orderonce consumer',
    description: 'Health, and where each event and order stands.',
    bodyBytesMax: BODY_BYTES_MAX,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  const access = addAccess(app, settings, logger, (method) =>
    method === 'GET' || method === 'HEAD' ? 'read' : 'admin',
  );
  addQueryRoutes(app, pools.queries, waiters, handlers);
  addPositionRoute(app, () => readStanding(reader, pools.queries));
  addLedgerRoutes(app, pools.ledgers);
  addConsoleRoutes(app);
  addDeadLetterActions(app, { pool: pools.redrives, handlers });
  addOutboxMetrics(registry, () => readOutboxLag(pools.outbox));
  addMetricsRoute(app, registry);
  let waitingFor: string | null = 'Not looked for tables and topic yet';
  const health = () => ({
    troubles: [
      ...(stopping.signal.aborted ? ['Draining: the service is stopping'] : []),
      ...(probe.trouble === null ? [] : [`Database: ${probe.trouble}`]),
      ...(waitingFor === null || probe.trouble !== null ? [] : [waitingFor]),
      ...consumer.troubles,
      ...relay.troubles,
    ],
    facts: {
      service: 'consumer',
      topic: reader.topic,
      deployment,
      partitions: consumer.partitions,
      warnings: [...access.warnings(), ...unattended.warnings],
    },
  });
  addHealthRoutes(app, health);
  const healthLog = new HealthLog(logger, health);
  const port = await listen(app, consumerPlace(settings));
  void probe.start(PROBE_MS);
  healthLog.start();
  const noteWait = (reason: string | null) => {
    waitingFor = reason;
  };
  const assertReady = async () => {
    await assertMigrated(pools.queries, handlers);
    await reader.identity();
  };
  const started = startWhenReady(assertReady, stopping.signal, noteWait, async () => {
    await recordDeployment(settings, handlers, pools.queries, owner, logger);
    deployment = await readDeploymentId(pools.queries);
    relay.start();
    unattended.start();
    await consumer.start();
  });
  return {
    port,
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      probe.stop();
      healthLog.stop();
      watchdog?.stop();
      strayErrors?.stop();
      waiters.stop();
      unattended.stop();
      access.stop();
      await Promise.all([consumer.stop(STOP_MS), relay.stop()]);
      await Promise.race([started, pause(500)]);
      await closeServer(app, Promise.resolve());
      await pools.end();
    },
  };
}

/** @throws SETTING_INVALID where a handler could outlast its transaction. */
async function handlersOf(settings: Settings): Promise<HandlerSet> {
  const set = await handlerSetOf(settings);
  if (set.handlers.length > 0 && set.timeoutMs >= limitsOf(settings.SESSION_TIMEOUT_MS).idleMs) {
    const message = 'HANDLER_TIMEOUT_MS must be less than half of SESSION_TIMEOUT_MS';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  return set;
}

/** For commands elsewhere: what a redrive or a proof must run to be the deployment's. */
async function recordDeployment(
  settings: Settings,
  { handlers }: HandlerSet,
  pool: Pool,
  owner: string,
  logger: Logger,
): Promise<void> {
  const now = await identityOf(settings, handlers);
  const before = await recordHandlers(pool, now, owner);
  if (before === null) return;
  const fields = { before: nameOf(before), now: nameOf(now), started_by: before.owner };
  logger.info(fields, 'Handlers differ from those that the deployment ran before');
}

function createConsumer(
  settings: Settings,
  parts: Pick<ConsumerOptions, 'reader' | 'pool' | 'limits' | 'logger' | 'handlers' | 'owner'>,
  registry: Registry,
  onStored: () => void,
): Consumer {
  const noteSettled = addConsumerMetrics(registry, {
    partitions: () => consumer.partitions,
    ends: async (partitions) => {
      const bounds = await parts.reader.bounds(partitions);
      return new Map([...bounds].map(([partition, { end }]) => [partition, end]));
    },
  });
  const consumer: Consumer = new Consumer({
    ...parts,
    parkGuard: new ParkGuard(settings.HANDLER_PARK_PERCENT_MAX),
    connections: settings.CONSUMER_CONNECTIONS,
    batchMax: settings.CONSUMER_BATCH_MAX,
    onCommitted: (settled) => {
      noteSettled(settled);
      onStored();
    },
  });
  return consumer;
}

function createRelay(settings: Settings, pool: Pool, owner: string, logger: Logger): Relay {
  const openLog = (topic: string) => openOutboxLog(settings, pool, topic);
  const { OUTBOX_RETENTION_HOURS: retentionHours } = settings;
  return new Relay({ pool, openLog, owner, retentionHours, logger });
}

/**
 * Waits for tables and topic with a clear message instead of failing: they may come at any time.
 * @param noteWait told why it waits; null once it does not any more.
 */
async function startWhenReady(
  assertReady: () => Promise<void>,
  signal: AbortSignal,
  noteWait: (reason: string | null) => void,
  start: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await assertReady();
      noteWait(null);
      await start();
      return;
    } catch (error) {
      noteWait(`Waiting for database and log: ${reasonOf(error)}`);
      await pause(backoffMs(attempt, { firstMs: 200, mostMs: 1000 }), signal);
    }
  }
}

/**
 * Each below the session time-out: a statement that hangs is ended by PostgreSQL before the group
 * gives its partitions away. A transaction of many statements may take longer; then the position's
 * compare-and-set decides.
 */
export function limitsOf(sessionTimeoutMs: number): TransactionLimits {
  return {
    lockMs: sessionTimeoutMs * 0.3,
    statementMs: sessionTimeoutMs * 0.8,
    idleMs: sessionTimeoutMs * 0.5,
  };
}
