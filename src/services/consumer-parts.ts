/** Puts the parts of the consumer service together that work behind its HTTP port. */

import { randomBytes } from 'node:crypto';
import { addDatabaseMetrics, figuresReader } from '../admin/database-metrics.ts';
import { EventWaiters } from '../admin/event-waiters.ts';
import { addProofMetrics } from '../admin/proof-metrics.ts';
import { addRedriveMetrics } from '../admin/redrive-metrics.ts';
import { ActivityRecorder } from '../consume/activity-recorder.ts';
import { Consumer, type ConsumerOptions, type PartitionStatus } from '../consume/consumer.ts';
import { addConsumerMetrics } from '../consume/consumer-metrics.ts';
import { Consumers } from '../consume/consumers.ts';
import type { PartitionSource } from '../consume/partition-gauges.ts';
import { Turns } from '../consume/turns.ts';
import { UnattendedWatch } from '../consume/unattended.ts';
import { JobWorker } from '../dead-letters/job-worker.ts';
import { QueueResumer } from '../dead-letters/queue-resumer.ts';
import { TypeResumer } from '../dead-letters/type-resumer.ts';
import { OrderonceError } from '../errors.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import { watchStrayErrors } from '../handlers/stray-errors.ts';
import type { Settled } from '../inbox/batch.ts';
import { ParkGuard } from '../inbox/park-guard.ts';
import type { LogReader } from '../log/event-log.ts';
import { addOutboxMetrics, type OutboxMeter } from '../outbox/outbox-metrics.ts';
import { Relay } from '../outbox/relay.ts';
import { addCertificateMetrics } from '../runtime/certificate-metrics.ts';
import type { Logger } from '../runtime/logger.ts';
import { createRegistry } from '../runtime/metrics.ts';
import { startWatchdog } from '../runtime/watchdog.ts';
import type { Settings } from '../settings/settings.ts';
import { readOperatorFigures } from '../store/operator-figures.ts';
import { readOutboxLag } from '../store/outbox.ts';
import type { Pool } from '../store/pool.ts';
import { readProofSummary } from '../store/proof-summary.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import { ProofWorker, type ProofWorkerOptions } from '../verify/proof-worker.ts';
import { openConsumerPools } from './consumer-pools.ts';
import { EventDataDays } from './event-data-days.ts';
import { eventModelOf } from './event-model.ts';
import { handlerSetOf } from './handler-set.ts';
import { openForeignReaders, openOutboxLog } from './open-log.ts';

export type Parts = Awaited<ReturnType<typeof partsOf>>;

/**
 * Makes the parts. The consumer, the relay, the proof and the watch for unattended partitions have not
 * started yet; the watches over handlers have.
 * @param reader of KAFKA_TOPIC. Those of other topics are opened here.
 * @throws SETTING_INVALID, HANDLERS_INVALID, EVENTS_INVALID, DECODE_INVALID
 */
export async function partsOf(
  settings: Settings,
  databaseUrl: string,
  reader: LogReader,
  logger: Logger,
) {
  const readers = [reader, ...(await openForeignReaders(settings))];
  const limits = limitsOf(settings.SESSION_TIMEOUT_MS);
  const withoutMetrics = await handlersOf(settings);
  const { rules, projection } = await eventModelOf(settings);
  const pools = openPools(settings, databaseUrl, limits, logger);
  const registry = createRegistry('consumer');
  const owner = `${process.env.HOSTNAME ?? 'local'}:${process.pid}:${randomBytes(3).toString('hex')}`;
  const activity = new ActivityRecorder(pools.queries, owner);
  const waiters = new EventWaiters(pools.queries);
  const figures = figuresReader(() => readOperatorFigures(pools.ledgers, reader.topic));
  const sources = readers.map((of) => sourceOf(of, readers, () => consumer));
  const [source, ...others] = sources as [PartitionSource, ...PartitionSource[]];
  const meter = addConsumerMetrics(registry, {
    ...{ ...source, others },
    handlers: withoutMetrics.handlers.map(({ name }) => name),
    types: rules.declared?.types.keys() ?? null,
    acceptedOffsets: async () => (await figures())?.acceptedOffsets ?? null,
  });
  const handlers: HandlerSet = { ...withoutMetrics, onRun: meter.handled };
  const ofOutbox = addOutboxMetrics(registry, () => readOutboxLag(pools.outbox));
  const relay = createRelay(settings, pools.outbox, owner, logger, ofOutbox);
  const ofConsumers = {
    pool: pools.batches,
    limits,
    logger,
    handlers,
    rules,
    projection,
    owner,
    meter,
  };
  const consumer: Consumers = createConsumers(settings, readers, ofConsumers, (settled) => {
    waiters.notify();
    activity.note(settled);
    // Only handlers emit messages, so without handlers the relay has nothing to publish.
    if (handlers.handlers.length > 0) relay.notify();
  });
  const onRedriven = addRedriveMetrics(registry);
  const redrives = { pool: pools.redrives, handlers, rules, projection, onRedriven };
  const resumer = new QueueResumer(redrives, logger);
  const types = new TypeResumer(redrives, logger);
  const days = new EventDataDays(pools.queries, rules, logger);
  const jobs = new JobWorker({ db: pools.queries, redrives, owner, logger });
  const unattended = readers.map(
    (of) =>
      new UnattendedWatch(of, pools.queries, loggerOf(logger, of, readers), () =>
        partitionsOf(consumer, of).map(({ partition }) => partition),
      ),
  );
  addDatabaseMetrics(registry, figures, () =>
    unattended.reduce((sum, { count }) => sum + count, 0),
  );
  addCertificateMetrics(registry, settings);
  const ofProof = { pool: pools.proof, reader, owner, logger, projection };
  const proof = createProof(settings, ofProof);
  addProofMetrics(registry, () => readProofSummary(pools.queries));
  const watches = startWatches(settings, logger);
  return {
    ...{ settings, readers, logger, handlers, rules, projection, owner, registry },
    ...{ pools, waiters, relay, consumer, unattended, redrives, jobs, resumer, types, days },
    ...{ activity, proof, watches },
  };
}

/** Only a team's code can block the event loop, or leave promises and timers behind. */
function startWatches(settings: Settings, logger: Logger) {
  const { HANDLERS_MODULE, DECODE_MODULE, HANDLER_BLOCK_MS } = settings;
  if (HANDLERS_MODULE === undefined && DECODE_MODULE === undefined) return [];
  return [startWatchdog(HANDLER_BLOCK_MS, logger), watchStrayErrors(logger)];
}

function openPools(
  settings: Settings,
  databaseUrl: string,
  { statementMs: batchStatementMs }: TransactionLimits,
  logger: Logger,
) {
  return openConsumerPools(databaseUrl, {
    connections: settings.CONSUMER_CONNECTIONS,
    batchStatementMs,
    prepares: settings.DATABASE_PREPARED_STATEMENTS === 'on',
    lifetimeMs: settings.DATABASE_CONNECTION_LIFETIME_SECONDS * 1000,
    onWarning: (warning) => logger.warn(warning),
  });
}

/**
 * @throws SETTING_INVALID if a handler may take longer than the transaction's idle time-out.
 * PostgreSQL could then end the session before the handler times out.
 */
async function handlersOf(settings: Settings): Promise<HandlerSet> {
  const set = await handlerSetOf(settings);
  if (set.handlers.length > 0 && set.timeoutMs >= limitsOf(settings.SESSION_TIMEOUT_MS).idleMs) {
    const message = 'HANDLER_TIMEOUT_MS must be less than half of SESSION_TIMEOUT_MS';
    throw new OrderonceError('SETTING_INVALID', message);
  }
  return set;
}

function createConsumers(
  settings: Settings,
  readers: readonly LogReader[],
  parts: Pick<
    ConsumerOptions,
    'pool' | 'limits' | 'logger' | 'handlers' | 'rules' | 'projection' | 'owner' | 'meter'
  >,
  onCommitted: (settled: Settled) => void,
): Consumers {
  const { CONSUMER_CONNECTIONS: connections, CONSUMER_BATCH_MAX: batchMax } = settings;
  const shared = {
    ...parts,
    parkGuard: new ParkGuard(settings.HANDLER_PARK_PERCENT_MAX),
    turns: new Turns({ connections, batchMax, onBegun: parts.meter?.waited }),
    batchMax,
    onCommitted,
    hidesMessages: settings.READ_ROLE_PAYLOADS === 'off',
  };
  return new Consumers(
    readers.map((reader) => {
      const logger = loggerOf(parts.logger, reader, readers);
      return new Consumer({ ...shared, reader, logger });
    }),
  );
}

/** Where a process reads several topics, each line about a partition says of which. */
function loggerOf(logger: Logger, { topic }: LogReader, readers: readonly LogReader[]): Logger {
  return readers.length === 1 ? logger : logger.child({ in_topic: topic });
}

/** The partitions of one topic. */
function partitionsOf({ partitions }: Consumers, reader: LogReader): readonly PartitionStatus[] {
  return partitions.filter(({ topic = reader.topic }) => topic === reader.topic);
}

/** What the gauges of a topic read. */
function sourceOf(
  reader: LogReader,
  readers: readonly LogReader[],
  consumers: () => Consumers,
): PartitionSource {
  return {
    topic: readers.length === 1 ? undefined : reader.topic,
    partitions: () => partitionsOf(consumers(), reader),
    ends: async (partitions) => {
      const bounds = await reader.bounds(partitions);
      return new Map([...bounds].map(([partition, { end }]) => [partition, end]));
    },
  };
}

/** @returns null with PROOF=off. */
function createProof(
  settings: Settings,
  parts: Omit<ProofWorkerOptions, 'intervalMs' | 'roundMs'>,
): ProofWorker | null {
  if (settings.PROOF === 'off') return null;
  const intervalMs = settings.PROOF_INTERVAL_SECONDS * 1000;
  const roundMs = settings.PROOF_ROUND_MINUTES * 60_000;
  return new ProofWorker({ ...parts, intervalMs, roundMs });
}

function createRelay(
  settings: Settings,
  pool: Pool,
  owner: string,
  logger: Logger,
  meter: OutboxMeter,
): Relay {
  const openLog = (topic: string) => openOutboxLog(settings, pool, topic);
  const { OUTBOX_RETENTION_HOURS: retentionHours } = settings;
  return new Relay({ pool, openLog, owner, retentionHours, logger, meter });
}

/**
 * Limits of the batch transaction, in ms. Each is below the session time-out of the group, so that
 * PostgreSQL ends a hanging statement before the group assigns the partitions to another consumer.
 * A transaction of many statements may take longer; then the fence decides which consumer commits.
 */
export function limitsOf(sessionTimeoutMs: number): TransactionLimits {
  return {
    lockMs: sessionTimeoutMs * 0.3,
    statementMs: sessionTimeoutMs * 0.8,
    idleMs: sessionTimeoutMs * 0.5,
  };
}
