/** What processing a batch needs, and what it results in. */
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { Repeat } from '../store/duplicates.ts';
import type { LogPartition } from '../store/log-place.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Pool } from '../store/pool.ts';
import type { TransactionLimits } from '../store/transaction.ts';
import type { ParkGuard } from './park-guard.ts';

/** What processing the batches of one log needs. */
export type BatchContext = {
  readonly pool: Pool;
  readonly limits: TransactionLimits;
  readonly topic: string;
  readonly logId: number;
  /** This process; written with each position that it moves, for operators. */
  readonly owner: string;
  readonly handlers: HandlerSet;
  readonly parkGuard: ParkGuard;
  /** What is an event in this deployment. */
  readonly rules: RecordRules;
  /** null: the table `orders` is not kept (ORDERS_PROJECTION=off). */
  readonly projection: Projection | null;
  /** Called after each COMMIT of whole batches with the time of each phase in ms, for metrics. */
  readonly onTimed?: ((ms: ReadonlyMap<Phase, number>) => void) | undefined;
};

/**
 * The phases of a batch transaction. `fence`: from asking for a connection until the positions are
 * locked. `settle`: all statements of ours. `handlers`: the handlers. `commit`: COMMIT.
 */
export type Phase = 'fence' | 'settle' | 'handlers' | 'commit';

/** An event that fails alone and is not parked yet. It is retried before anything behind it. */
export type HeldEvent = {
  readonly offset: number;
  readonly code: 'HANDLER_FAILS' | 'ALL_REFUSED';
  readonly reason: string;
  /**
   * How many failures were followed by a success of another event; with this one if `isConfirmed`.
   */
  readonly attempts: number;
  /** Whether another event succeeded after this failure. */
  readonly isConfirmed: boolean;
  /** Its handler threw OutageError, so the waits between the attempts are longer. */
  readonly isOutage: boolean;
};

/** What a transaction did with its records. The lists serve logs, metrics and waiting requests. */
export type Settled = {
  readonly stored: number;
  readonly storedRecords: readonly EventRecord[];
  readonly duplicates: readonly Repeat[];
  readonly conflicts: readonly Repeat[];
  readonly deadLetters: readonly DeadLetter[];
};

/** The result of processing one slice. */
export type BatchOutcome = Settled & {
  /** The position now: the end of the slice, or before it if events had to be isolated. */
  readonly next: number;
  /** Set if the event at `next` is held: it failed, and is not parked yet. */
  readonly held?: HeldEvent;
};

/** The partition of a slice, in the log of the context. */
export function logPartitionOf(context: BatchContext, slice: LogSlice): LogPartition {
  return { logId: context.logId, partition: slice.partition };
}
