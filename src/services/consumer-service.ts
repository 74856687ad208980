/** The consumer service: the consumer, and its HTTP port for health and status. */
import { type Access, addAccess } from '../access/access.ts';
import type { Role } from '../access/api-keys.ts';
import { addConsoleRoutes } from '../admin/console-routes.ts';
import { addDeadLetterActions } from '../admin/dead-letter-actions.ts';
import { addLedgerRoutes } from '../admin/ledger-routes.ts';
import { addPositionRoute } from '../admin/position-route.ts';
import { addQueryRoutes } from '../admin/query-routes.ts';
import { reasonOf } from '../errors.ts';
import { identityOf, nameOf } from '../handlers/handlers-identity.ts';
import type { LogReader } from '../log/event-log.ts';
import { addOutboxMetrics } from '../outbox/outbox-metrics.ts';
import { readReports } from '../positions/report.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { addHealthRoutes, type HealthReport, Probe } from '../runtime/health.ts';
import { HealthLog } from '../runtime/health-log.ts';
import { closeServer, createHttpServer, type HttpServer, listen } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { addMetricsRoute } from '../runtime/metrics.ts';
import { consumerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';
import { assertMigrated } from '../store/assert-migrated.ts';
import { readDeploymentId, recordHandlers } from '../store/deployment-handlers.ts';
import { readOutboxLag } from '../store/outbox.ts';
import { assertWritable } from '../store/writable.ts';
import { type Parts, partsOf } from './consumer-parts.ts';

const PROBE_MS = 2000;
const STOP_MS = 6000;
const BODY_BYTES_MAX = 64 * 1024;

export type ConsumerService = Service & { readonly port: number };

/**
 * Starts immediately, also while the log or the database is down; the consumer starts to work once
 * both are there, and health says until then what it waits for.
 * @throws SETTING_INVALID, HANDLERS_INVALID, PORT_IN_USE
 */
export async function startConsumer(
  settings: Settings,
  databaseUrl: string,
  reader: LogReader,
  logger: Logger,
): Promise<ConsumerService> {
  const parts = await partsOf(settings, databaseUrl, reader, logger);
  const { pools, consumer, relay, unattended, waiters, withoutOrders } = parts;
  const probe = new Probe(async () => {
    await assertMigrated(pools.health, { withoutOrders });
    await assertWritable(pools.health);
  });
  const stopping = new AbortController();
  const state: State = { deployment: null, waitingFor: 'Not looked for tables and topic yet' };
  const app = await createHttpServer({
    title: 'Orderonce consumer',
    description: 'Health, and where each event and order stands.',
    bodyBytesMax: BODY_BYTES_MAX,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  const access = addAccess(app, settings, logger, roleFor);
  addRoutes(app, parts);
  const health = () => healthOf(parts, state, access, probe.trouble, stopping.signal.aborted);
  addHealthRoutes(app, health);
  const healthLog = new HealthLog(logger, health);
  const port = await listen(app, consumerPlace(settings));
  void probe.start(PROBE_MS);
  healthLog.start();
  const started = startWhenReady(parts, state, stopping.signal);
  return {
    port,
    stop: async () => {
      if (stopping.signal.aborted) return;
      stopping.abort();
      for (const part of [probe, healthLog, waiters, unattended, access, ...parts.watches]) {
        part.stop();
      }
      await Promise.all([consumer.stop(STOP_MS), relay.stop()]);
      await Promise.race([started, pause(500)]);
      await closeServer(app, Promise.resolve());
      await pools.end();
    },
  };
}

/** What may change after the start, for health. */
type State = {
  /** Commands make sure that they speak to a consumer of the same database. */
  deployment: string | null;
  /** Why the consumer has not begun to work; null once it has. */
  waitingFor: string | null;
};

function roleFor(method: string): Role {
  return method === 'GET' || method === 'HEAD' ? 'read' : 'admin';
}

function addRoutes(app: HttpServer, parts: Parts): void {
  const { pools, waiters, handlers, withoutOrders, reader, registry } = parts;
  addQueryRoutes(app, pools.queries, waiters, { withoutOrders });
  addPositionRoute(app, () => readReports(reader, pools.queries));
  addLedgerRoutes(app, pools.ledgers);
  addConsoleRoutes(app);
  addDeadLetterActions(app, { pool: pools.redrives, handlers, withoutOrders });
  addOutboxMetrics(registry, () => readOutboxLag(pools.outbox));
  addMetricsRoute(app, registry);
}

function healthOf(
  { reader, consumer, relay, unattended }: Parts,
  { deployment, waitingFor }: State,
  access: Access,
  databaseTrouble: string | null,
  isDraining: boolean,
): HealthReport {
  const { troubles, isAnyAtWork } = consumer;
  return {
    troubles: [
      ...(isDraining ? ['Draining: the service is stopping'] : []),
      ...(databaseTrouble === null ? [] : [`Database: ${databaseTrouble}`]),
      ...(waitingFor === null || databaseTrouble !== null ? [] : [waitingFor]),
      ...(isAnyAtWork ? [] : troubles),
    ],
    partial: [...(isAnyAtWork ? troubles : []), ...relay.troubles],
    facts: {
      service: 'consumer',
      topic: reader.topic,
      deployment,
      partitions: consumer.partitions,
      warnings: [...access.warnings(), ...unattended.warnings],
    },
  };
}

/** For commands elsewhere: what a redrive or a proof must run to be the deployment's. */
async function recordDeployment({
  settings,
  handlers,
  pools,
  owner,
  logger,
}: Parts): Promise<void> {
  const now = await identityOf(settings, handlers.handlers);
  const before = await recordHandlers(pools.queries, now, owner);
  if (before === null) return;
  const fields = { before: nameOf(before), now: nameOf(now), started_by: before.owner };
  logger.info(fields, 'Handlers differ from those that the deployment ran before');
}

/**
 * Waits for tables and topic instead of failing, since they may be made at any time; then starts what
 * works. `state` says meanwhile why it waits.
 */
async function startWhenReady(parts: Parts, state: State, signal: AbortSignal): Promise<void> {
  const { settings, pools, reader, relay, unattended, consumer, withoutOrders } = parts;
  const { HANDLERS_MIGRATIONS: handlerMigrations } = settings;
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await assertMigrated(pools.queries, { withoutOrders, handlerMigrations });
      await reader.identity();
      await recordDeployment(parts);
      state.deployment = await readDeploymentId(pools.queries);
      relay.start();
      unattended.start();
      // Only now: from here on the consumer says itself what it lacks.
      state.waitingFor = null;
      await consumer.start();
      return;
    } catch (error) {
      state.waitingFor = `Waiting for database and log: ${reasonOf(error)}`;
      await pause(backoffMs(attempt, { firstMs: 200, mostMs: 1000 }), signal);
    }
  }
}
