/** The consumer service: the consumer and its HTTP API for health, status and operators. */
import { type Access, addAccess } from '../access/access.ts';
import type { Role } from '../access/api-keys.ts';
import { addConsoleRoutes } from '../admin/console-routes.ts';
import { addDeadLetterActions } from '../admin/dead-letter-actions.ts';
import { addLedgerRoutes } from '../admin/ledger-routes.ts';
import { addPositionRoute } from '../admin/position-route.ts';
import { addProofRoutes } from '../admin/proof-routes.ts';
import { addQueryRoutes } from '../admin/query-routes.ts';
import { reasonOf } from '../errors.ts';
import { EVENT_SCHEMA } from '../event/event-schema.ts';
import { identityOf, nameOf } from '../handlers/handlers-identity.ts';
import type { LogReader } from '../log/event-log.ts';
import { addOutboxMetrics } from '../outbox/outbox-metrics.ts';
import { readReports } from '../positions/report.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import {
  addHealthRoutes,
  type FactsDescription,
  type HealthReport,
  Probe,
} from '../runtime/health.ts';
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
import { readProofSummary } from '../store/proof-summary.ts';
import { assertWritable } from '../store/writable.ts';
import { addProofMetrics } from '../verify/proof-metrics.ts';
import { type Parts, partsOf } from './consumer-parts.ts';

const PROBE_MS = 2000;
const STOP_MS = 6000;
const BODY_BYTES_MAX = 64 * 1024;

const API = {
  title: 'Orderonce consumer',
  description: 'Answers for the status of events and orders, and for the health of the consumer.',
  schemas: { Event: EVENT_SCHEMA },
};
const HEALTH_FACTS: FactsDescription = {
  schemas: {
    service: { const: 'consumer' },
    topic: { type: 'string' },
    deployment: {
      type: ['string', 'null'],
      description: 'The id of the database; null until it has been read.',
    },
    partitions: {
      type: 'array',
      description: 'The partitions that this process works on.',
      items: { type: 'object', required: ['partition', 'next_offset', 'state', 'since'] },
    },
    warnings: { type: 'array', items: { type: 'string' }, description: 'What to correct.' },
  },
  example: {
    service: 'consumer',
    topic: 'order_events',
    deployment: '0f9c2b64-1d3e-4a5f-8b7c-6d5e4f3a2b10',
    partitions: [
      { partition: 3, next_offset: 42, state: 'running', since: '2026-01-02T03:04:06.789Z' },
    ],
    warnings: [],
  },
};

export type ConsumerService = Service & { readonly port: number };

/**
 * Starts the service, even while the log or the database is down. The consumer begins to process
 * once both are available. Until then health reports what it waits for.
 * @throws SETTING_INVALID, HANDLERS_INVALID, PORT_IN_USE
 */
export async function startConsumer(
  settings: Settings,
  databaseUrl: string,
  reader: LogReader,
  logger: Logger,
): Promise<ConsumerService> {
  const parts = await partsOf(settings, databaseUrl, reader, logger);
  const { pools, consumer, relay, unattended, resumer, waiters, withoutOrders } = parts;
  const probe = new Probe(async () => {
    await assertMigrated(pools.health, { withoutOrders });
    await assertWritable(pools.health);
  });
  const stopping = new AbortController();
  const state: State = {
    deployment: null,
    waitingFor: 'Tables and topic have not been checked yet',
  };
  const app = await createHttpServer({
    ...API,
    needsKey: settings.API_KEYS_FILE !== undefined,
    bodyBytesMax: BODY_BYTES_MAX,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  const access = addAccess(app, settings, logger, roleFor);
  addRoutes(app, parts);
  const health = () => healthOf(parts, state, access, probe.trouble, stopping.signal.aborted);
  addHealthRoutes(app, health, HEALTH_FACTS);
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
      for (const part of [
        probe,
        healthLog,
        waiters,
        unattended,
        resumer,
        access,
        ...parts.watches,
      ]) {
        part.stop();
      }
      await Promise.all([consumer.stop(STOP_MS), relay.stop(), parts.proof?.stop()]);
      await Promise.race([started, pause(500)]);
      await closeServer(app, Promise.resolve());
      await pools.end();
    },
  };
}

/** What health reports and may change after the start. */
type State = {
  /** Identifies the database. Commands use it to check that the consumer works on the same one. */
  deployment: string | null;
  /** Why the consumer has not started yet; null once it has. */
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
  addProofRoutes(app, pools.queries);
  addOutboxMetrics(registry, () => readOutboxLag(pools.outbox));
  addProofMetrics(registry, () => readProofSummary(pools.queries));
  addMetricsRoute(app, registry);
}

function healthOf(
  { reader, consumer, relay, unattended, proof }: Parts,
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
      warnings: [...access.warnings(), ...unattended.warnings, ...(proof?.warnings ?? [])],
    },
  };
}

/**
 * Records which handlers this deployment runs. Commands in other processes compare theirs with it
 * before they redrive or verify.
 */
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
 * Waits until tables and topic exist, since they may be created at any time, and then starts the
 * parts. Until then `state.waitingFor` says why it waits.
 */
async function startWhenReady(parts: Parts, state: State, signal: AbortSignal): Promise<void> {
  const { settings, pools, reader, relay, unattended, resumer, consumer, proof, withoutOrders } =
    parts;
  const { HANDLERS_MIGRATIONS: handlerMigrations } = settings;
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await assertMigrated(pools.queries, { withoutOrders, handlerMigrations });
      await reader.identity();
      await recordDeployment(parts);
      state.deployment = await readDeploymentId(pools.queries);
      relay.start();
      unattended.start();
      resumer.start();
      proof?.start();
      // From here on the consumer reports its own troubles.
      state.waitingFor = null;
      await consumer.start();
      return;
    } catch (error) {
      state.waitingFor = `Waiting for database and log: ${reasonOf(error)}`;
      await pause(backoffMs(attempt, { firstMs: 200, mostMs: 1000 }), signal);
    }
  }
}
