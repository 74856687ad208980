/**
 * Prepares the partitions of an assignment: reads their positions, checks each against the log, and
 * makes a worker for each partition that is ready.
 */

import { OrderonceError } from '../errors.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { BatchContext } from '../inbox/batch.ts';
import type { ParkGuard } from '../inbox/park-guard.ts';
import { isDecoded, type RecordRules } from '../log/decode-hook.ts';
import type { LogReader } from '../log/event-log.ts';
import { type CheckedPosition, checkPositions } from '../positions/check.ts';
import type { Logger } from '../runtime/logger.ts';
import { logIdOf } from '../store/logs.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Pool } from '../store/pool.ts';
import { clearTroubles } from '../store/position-troubles.ts';
import { ensurePositions, takePositions } from '../store/positions.ts';
import { findSuspect } from '../store/suspects.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import { PartitionWorker, type WorkerOptions } from './partition-worker.ts';
import { Suspicion } from './suspicion.ts';
import type { Turn, Turns } from './turns.ts';

export type PrepareOptions = {
  readonly reader: LogReader;
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly rules: RecordRules;
  readonly projection: Projection | null;
  readonly parkGuard: ParkGuard;
  readonly turns: Turns;
  readonly onCommitted: Turn['onCommitted'];
  readonly batchMax: number;
  readonly logger: Logger;
  /** For metrics; see WorkerOptions and BatchContext. */
  readonly onRetry?: WorkerOptions['onRetry'];
  readonly onTimed?: BatchContext['onTimed'];
  readonly hidesMessages?: WorkerOptions['hidesMessages'];
};

/** The partitions that are ready, with their workers; what is wrong with a position is in `checked`. */
export type PreparedWorkers = {
  readonly topicId: string;
  readonly checked: readonly CheckedPosition[];
  readonly workers: readonly PartitionWorker[];
};

/**
 * @param signal of the workers; aborted when the assignment ends.
 * @throws LOG_UNAVAILABLE if none of these partitions is ready.
 */
export async function prepareWorkers(
  options: PrepareOptions,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<PreparedWorkers> {
  const { reader, pool } = options;
  const identity = await reader.identity();
  const all = Array.from({ length: identity.partitions }, (_, partition) => partition);
  const logId = await logIdOf(pool, identity);
  await ensurePositions(pool, reader.topic, logId, await reader.bounds(all, true));
  const checked = await checkPositions(reader, pool, identity.topicId, partitions);
  if (checked.length === 0) {
    const message = `No broker leads partitions ${partitions.join(', ')} now`;
    throw new OrderonceError('LOG_UNAVAILABLE', message);
  }
  const workers = await makeWorkers(options, checked, signal);
  const ready = checked.map(({ position }) => position.partition);
  await clearTroubles(pool, reader.topic, ready);
  return { topicId: identity.topicId, checked, workers };
}

/**
 * Whether a record can end or block the process. Only handlers and decode functions can loop or end
 * it, so without them nothing has to be noted.
 */
function mayEndProcess({ handlers, rules, reader }: PrepareOptions): boolean {
  return handlers.handlers.length > 0 || isDecoded({ rules, topic: reader.topic });
}

async function makeWorkers(
  options: PrepareOptions,
  checked: readonly CheckedPosition[],
  signal: AbortSignal,
): Promise<PartitionWorker[]> {
  const { reader, pool, owner, limits, handlers, parkGuard, rules, projection } = options;
  const { turns, batchMax, logger, onCommitted, onRetry, onTimed, hidesMessages } = options;
  const { topic } = reader;
  const partitions = checked.map(({ position }) => position.partition);
  const mayEnd = mayEndProcess(options);
  const unclean = await takePositions(pool, topic, partitions, owner);
  const workers: PartitionWorker[] = [];
  for (const { position } of checked) {
    const { logId } = position;
    const ofProcess = {
      pool,
      limits,
      topic,
      owner,
      handlers,
      parkGuard,
      rules,
      projection,
      onTimed,
    };
    const context = { ...ofProcess, logId };
    const suspect = mayEnd ? await findSuspect(pool, position) : null;
    const suspicion = new Suspicion(context, suspect, mayEnd && unclean.has(position.partition));
    workers.push(
      new PartitionWorker(position, {
        ...{ context, suspicion, turns, batchMax, logger, signal, onCommitted, onRetry },
        hidesMessages,
      }),
    );
  }
  return workers;
}
