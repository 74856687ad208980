/**
 * Processes what is in the log, with the transactions of the consumer and its rules for failures
 * (consume/partition-worker.ts), but without waits: a failure that would be retried later is
 * retried immediately, and one that does not end is thrown.
 *
 * One rule differs. The consumer parks an event that PostgreSQL refuses only if another event
 * succeeds, because otherwise the table may be at fault. A test often has one event, so here
 * PostgreSQL's word is enough.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { BatchContext, BatchOutcome } from '../inbox/batch.ts';
import { mayBlameBatch } from '../inbox/blame.ts';
import { firstOf, type KnownSuspect } from '../inbox/first-event.ts';
import { ParkGuard } from '../inbox/park-guard.ts';
import { processBatch, processSuspect } from '../inbox/process-batch.ts';
import type { Pool } from '../store/pool.ts';
import { readPositions } from '../store/positions.ts';
import type { Drained } from './kit-results.ts';
import type { MemoryLog } from './memory-log.ts';

export type DrainOptions = {
  /** The most records of each batch, in turn; the last number counts for all others. */
  readonly batches?: readonly number[];
  /** Failures in a row, without any progress, after which draining fails. */
  readonly failuresMax: number;
  /** How many failures were injected so far: a failure behind a new one does not count. */
  readonly injected?: () => number;
  /** Stops before this offset. Default: the end of the log. */
  readonly until?: number;
  /** Where positions are read, if the context's own pool is disturbed on purpose. */
  readonly positions?: Pool;
};

/** Parks whatever PostgreSQL refuses, however much it is. */
export class TrustingParkGuard extends ParkGuard {
  constructor() {
    super(100);
  }

  override takeAtWord(): boolean {
    return true;
  }
}

const BATCH_MAX = 500;

/** @throws an Error with the reason if a failure does not end; the position stays before it. */
export async function drain(
  context: BatchContext,
  log: MemoryLog,
  options: DrainOptions,
): Promise<Drained> {
  const { batches = [BATCH_MAX], failuresMax, injected = () => 0 } = options;
  const { until = log.end, positions = context.pool } = options;
  const drained = { stored: 0, duplicates: 0, conflicts: 0, parked: 0, waiting: 0 };
  const sizes = [...batches];
  const position = () => positionOf(positions, context, log);
  let at = await position();
  let turn: Turn = { kind: 'batch', most: BATCH_MAX };
  let failures = 0;
  let excused = injected();
  while (at < until) {
    const slice = log.slice(at, Math.min(until - at, turn.most, sizes[0] ?? BATCH_MAX));
    let failure: unknown;
    try {
      const outcome = await take(context, turn, slice, log.slice(at, BATCH_MAX));
      add(drained, outcome);
      if (outcome.next > at) {
        at = outcome.next;
        if (sizes.length > 1) sizes.shift();
        turn = { kind: 'batch', most: BATCH_MAX };
        failures = 0;
        if (outcome.held === undefined) continue;
      }
      const { held } = outcome;
      failure = new Error(held?.reason ?? 'Nothing was settled');
      const attempts = held?.attempts ?? 0;
      const isAlone = held?.code === 'ALL_REFUSED';
      turn = {
        kind: 'first',
        most: 1,
        isAlone,
        known: { from: at, attempts, othersSucceed: false },
      };
    } catch (error) {
      failure = error;
      turn = turnAfter(error, turn, slice.records.length, at);
      at = await position();
    }
    const isInjected = injected() > excused;
    excused = injected();
    if (!isInjected && ++failures > failuresMax) throw stuck(failure);
  }
  return drained;
}

type Turn =
  | { readonly kind: 'batch'; readonly most: number }
  | {
      readonly kind: 'first';
      readonly most: number;
      /** No other event is asked: all of them are refused. */
      readonly isAlone: boolean;
      readonly known: KnownSuspect;
    };

type Slice = ReturnType<MemoryLog['slice']>;

async function take(
  context: BatchContext,
  turn: Turn,
  slice: Slice,
  rest: Slice,
): Promise<BatchOutcome> {
  if (turn.kind === 'batch') return await processBatch(context, slice);
  const asked = turn.isAlone ? firstOf(rest).head : rest;
  return await processSuspect(context, asked, turn.known);
}

/** After a failure of the whole transaction: halves, then the first event alone. */
function turnAfter(error: unknown, turn: Turn, records: number, at: number): Turn {
  const known = { from: at, attempts: 0, othersSucceed: false };
  if (error instanceof OrderonceError && error.code === 'ALL_REFUSED') {
    return { kind: 'first', most: 1, isAlone: true, known };
  }
  if (!mayBlameBatch(error) || turn.kind === 'first') return turn;
  return records > 1
    ? { kind: 'batch', most: records >> 1 }
    : { kind: 'first', most: 1, isAlone: false, known };
}

async function positionOf(
  pool: Pool,
  { topic }: BatchContext,
  { partition }: MemoryLog,
): Promise<number> {
  const all = await readPositions(pool, topic);
  const position = all.find((one) => one.partition === partition);
  if (position === undefined) throw new Error('The database of the kit has no position');
  return position.nextOffset;
}

function add(
  drained: { -readonly [name in keyof Drained]: number },
  { stored, duplicates, conflicts, deadLetters }: BatchOutcome,
): void {
  drained.stored += stored;
  drained.duplicates += duplicates.length;
  drained.conflicts += conflicts.length;
  drained.parked += deadLetters.filter(({ state }) => state === 'parked').length;
  drained.waiting += deadLetters.filter(({ state }) => state === 'waiting').length;
}

function stuck(failure: unknown): Error {
  const message = `The events cannot be processed; the consumer would retry until they can: ${reasonOf(failure)}`;
  return new Error(message, { cause: failure });
}
