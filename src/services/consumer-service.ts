/** The consumer service: the consumer and its HTTP API for health, status and operators. */
import { type Access, addAccess } from '../access/access.ts';
import { addAccessMetrics } from '../access/access-metrics.ts';
import type { Role } from '../access/api-keys.ts';
import { hidePayloads } from '../access/hidden-payloads.ts';
import { addConsoleRoutes } from '../admin/console-routes.ts';
import { addDeadLetterActions } from '../admin/dead-letter-actions.ts';
import { addDeadLetterRoutes } from '../admin/dead-letter-routes.ts';
import type { Examine } from '../admin/doctor-cache.ts';
import { addEventRoutes } from '../admin/event-routes.ts';
import { addLedgerRoutes } from '../admin/ledger-routes.ts';
import { addOrderRoutes } from '../admin/order-routes.ts';
import { addPositionRoute } from '../admin/position-route.ts';
import { addProofRoutes } from '../admin/proof-routes.ts';
import { ProcessHeartbeat } from '../consume/process-heartbeat.ts';
import { reasonOf } from '../errors.ts';
import { knownTypesOf } from '../event/declared-events.ts';
import { eventSchemaOf } from '../event/event-schema.ts';
import { identityOf, nameOf } from '../handlers/handlers-identity.ts';
import type { LogReader } from '../log/event-log.ts';
import { readReports, reportsOf } from '../positions/report.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { addHealthRoutes, type HealthReport, Probe } from '../runtime/health.ts';
import { HealthLog } from '../runtime/health-log.ts';
import { closeServer, createHttpServer, type HttpServer, listen } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { addDependencyMetrics, addMetricsRoute } from '../runtime/metrics.ts';
import { consumerPlace } from '../runtime/port.ts';
import type { Service } from '../runtime/service.ts';
import { serverTlsOf } from '../runtime/tls.ts';
import { VERSION } from '../runtime/version.ts';
import type { Settings } from '../settings/settings.ts';
import { assertMigrated, type MigrateOptions } from '../store/assert-migrated.ts';
import {
  type HandlersIdentity,
  readDeploymentId,
  recordHandlers,
} from '../store/deployment-handlers.ts';
import type { Pool } from '../store/pool.ts';
import { isConnectionBroken } from '../store/sqlstate.ts';
import { assertWritable } from '../store/writable.ts';
import { HEALTH_FACTS } from './consumer-health-facts.ts';
import { type Parts, partsOf } from './consumer-parts.ts';
import { addOperatorRoutes } from './operator-routes.ts';

const PROBE_MS = 2000;
const STOP_MS = 6000;

const API = {
  title: 'Orderonce consumer',
  description: 'Answers for the status of events and orders, and for the health of the consumer.',
};
export type ConsumerService = Service & { readonly port: number };

/**
 * Starts the service, even while the log or the database is down. The consumer begins to process
 * once both are available. Until then health reports what it waits for.
 * @param examine makes the checks of the doctor; without it, GET /doctor is answered 503.
 * @throws SETTING_INVALID, HANDLERS_INVALID, PORT_TAKEN
 */
export async function startConsumer(
  settings: Settings,
  databaseUrl: string,
  reader: LogReader,
  logger: Logger,
  examine?: (pool: Pool) => ReturnType<Examine>,
): Promise<ConsumerService> {
  const parts = await partsOf(settings, databaseUrl, reader, logger);
  const { pools } = parts;
  const tables = tablesOf(parts);
  const probe = new Probe(async () => {
    await assertMigrated(pools.health, tables);
    await assertWritable(pools.health);
  });
  const stopping = new AbortController();
  const state: State = {
    deployment: null,
    waitingFor: 'Tables and topic have not been checked yet',
    heartbeat: null,
  };
  const app = await createHttpServer({
    ...API,
    schemas: { Event: eventSchemaOf(parts.rules.declared, '#/components/schemas/Event') },
    needsKey: settings.API_KEYS_FILE !== undefined,
    outageOf: (error) =>
      isConnectionBroken(error) ? `DATABASE_UNAVAILABLE: ${reasonOf(error)}` : null,
    // An edit of a dead letter has a whole event as its body.
    bodyBytesMax: settings.EVENT_BYTES_MAX,
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    logger,
    tls: serverTlsOf(settings),
  });
  const access = addAccess(app, settings, logger, roleFor, addAccessMetrics(parts.registry));
  hidePayloads(app, settings);
  addDependencyMetrics(parts.registry, {
    database: () => probe.trouble === null,
    log: () => parts.consumer.isLogUp,
  });
  addRoutes(app, parts);
  const operators = addOperatorRoutes(
    app,
    parts,
    () => probe.trouble,
    examine && (() => examine(pools.ledgers)),
  );
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
      const { resumer, types, days, unattended, waiters, watches } = parts;
      const ofEvents = [resumer, types, days];
      const immediate = [probe, healthLog, waiters, ...unattended, access, operators];
      for (const part of [...immediate, ...ofEvents, ...watches]) part.stop();
      await stopWork(parts, state, started);
      await closeServer(app, Promise.resolve());
      await pools.end();
    },
  };
}

/** Finishes what is under way, and then says goodbye; each for a bounded time. */
async function stopWork(
  { consumer, relay, jobs, activity, proof }: Parts,
  { heartbeat }: State,
  started: Promise<void>,
): Promise<void> {
  const jobsStopped = Promise.race([jobs.stop(), pause(STOP_MS)]);
  await Promise.all([consumer.stop(STOP_MS), relay.stop(), jobsStopped, proof?.stop()]);
  await Promise.race([started, pause(500)]);
  // The last counts are those of the batches that were just finished.
  await Promise.race([Promise.all([activity.stop(), heartbeat?.stop()]), pause(500)]);
}

/** What health reports and may change after the start. */
type State = {
  /** Identifies the database. Commands use it to check that the consumer works on the same one. */
  deployment: string | null;
  /** Why the consumer has not started yet; null once it has. */
  waitingFor: string | null;
  /** Reports this process; null until its handlers are known. */
  heartbeat: ProcessHeartbeat | null;
};

/** The tables that this deployment needs. */
function tablesOf({ rules, projection }: Parts): MigrateOptions {
  return { projection, declared: rules.declared };
}

function roleFor(method: string): Role {
  return method === 'GET' || method === 'HEAD' ? 'read' : 'admin';
}

function addRoutes(app: HttpServer, parts: Parts): void {
  const { pools, waiters, redrives, rules, projection, readers, registry } = parts;
  addEventRoutes(app, pools.queries, waiters, rules);
  addOrderRoutes(app, pools.queries, { rules, projection });
  addPositionRoute(app, () => reportsOf(readers, (reader) => readReports(reader, pools.queries)));
  addLedgerRoutes(app, pools.ledgers, rules);
  addDeadLetterRoutes(app, pools.ledgers, rules);
  addConsoleRoutes(app);
  addDeadLetterActions(app, redrives);
  addProofRoutes(app, pools.queries);
  addMetricsRoute(app, registry);
}

function healthOf(
  { readers, consumer, relay, unattended, proof, rules }: Parts,
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
      topic: readers.map(({ topic }) => topic).join(', '),
      deployment,
      event_types: knownTypesOf(rules.declared),
      partitions: consumer.partitions,
      warnings: [
        ...access.warnings(),
        ...unattended.flatMap(({ warnings }) => warnings),
        ...(proof?.warnings ?? []),
      ],
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
}: Parts): Promise<HandlersIdentity> {
  const now = await identityOf(settings, handlers.handlers);
  const before = await recordHandlers(pools.queries, now, owner);
  if (before === null) return now;
  const fields = { before: nameOf(before), now: nameOf(now), started_by: before.owner };
  logger.info(fields, 'Handlers differ from those that the deployment ran before');
  return now;
}

/** What this process says about itself in the table processes. */
function heartbeatOf(
  { pools, owner, consumer }: Parts,
  { handlers, digest }: HandlersIdentity,
): ProcessHeartbeat {
  const names = handlers.map(({ name }) => name);
  const fixed = { owner, service: 'consumer', version: VERSION, handlers: names };
  return new ProcessHeartbeat(pools.queries, () => ({
    ...fixed,
    handlersDigest: digest,
    partitions: consumer.partitions,
  }));
}

/**
 * Waits until tables and topic exist, since they may be created at any time, and then starts the
 * parts. Until then `state.waitingFor` says why it waits.
 */
async function startWhenReady(parts: Parts, state: State, signal: AbortSignal): Promise<void> {
  const { settings, pools, readers, relay, unattended, resumer, types, days, proof, consumer } =
    parts;
  const { HANDLERS_MIGRATIONS: handlerMigrations } = settings;
  const tables = { ...tablesOf(parts), handlerMigrations };
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await assertMigrated(pools.queries, tables);
      // The other topics belong to others. One that is missing must not hold up this one.
      await readers[0]?.identity();
      const identity = await recordDeployment(parts);
      state.deployment = await readDeploymentId(pools.queries);
      relay.start();
      for (const watch of unattended) watch.start();
      resumer.start();
      types.start();
      days.start();
      parts.activity.start();
      parts.jobs.start();
      state.heartbeat ??= heartbeatOf(parts, identity);
      state.heartbeat.start();
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
