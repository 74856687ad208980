/**
 * The batch transaction, which holds the guarantees. A batch has the records of one partition or of
 * several. The transaction moves their positions by compare-and-set, gives every record exactly one
 * outcome, and runs the handlers over the stored events. All of it becomes visible together or not
 * at all.
 *
 * A crash before COMMIT leaves nothing of the batch; a crash after COMMIT leaves all of it. If the
 * reply to COMMIT is lost, the next attempt throws POSITION_MOVED if the COMMIT had succeeded, and
 * the consumer resumes from the position that PostgreSQL has.
 */
import { faultOf } from '../handlers/run-handlers.ts';
import { decodeSlice } from '../log/decode-hook.ts';
import type { LogSlice } from '../log/event-log.ts';
import { Laps } from '../runtime/laps.ts';
import { insertGaps } from '../store/log-gaps.ts';
import { inStoringTransaction } from '../store/transaction.ts';
import { inPhase } from '../tracing/tracing.ts';
import {
  type BatchContext,
  type BatchOutcome,
  logPartitionOf,
  type Phase,
  type Settled,
} from './batch.ts';
import { blaming } from './blame.ts';
import { fence } from './fence.ts';
import { type KnownSuspect, processFirst, type WitnessRules } from './first-event.ts';
import { isolate } from './isolate.ts';
import type { Batch } from './isolation.ts';
import { ParkingNeeded, settleRecords } from './settle-records.ts';

/**
 * Processes a slice of one partition. If a record is refused, it may process only the first part;
 * the caller continues at `next`.
 *
 * @throws POSITION_MOVED if the position is not at slice.from; otherwise a failure that was not
 * isolated, such as an outage. Nothing of this attempt has taken effect then. The one exception is
 * a connection that broke during COMMIT: if that COMMIT succeeded, the next attempt throws
 * POSITION_MOVED.
 */
export async function processBatch(context: BatchContext, slice: LogSlice): Promise<BatchOutcome> {
  const batch = await decodeSlice(slice, context);
  assertMayRefuse(context, [batch]);
  return noted(context, await settleOrIsolate(context, batch));
}

/**
 * Processes only the first record of a slice, whose event failed before or may have ended a
 * process. The records behind it are only tried, to see whether other events succeed; see
 * first-event.ts.
 */
export async function processSuspect(
  context: BatchContext,
  slice: LogSlice,
  known: KnownSuspect | null,
  rules?: WitnessRules,
): Promise<BatchOutcome> {
  return noted(context, await processFirst(context, slice, known, rules));
}

/**
 * Records for which the team's decode function threw count as parked events do, because a faulty
 * release of it is as likely as one of the handlers. Other invalid records say nothing of a release.
 * @returns how many there are. @throws HANDLERS_REFUSE_TOO_MUCH
 */
function assertMayRefuse({ parkGuard }: BatchContext, batches: readonly Batch[]): number {
  const invalid = batches.flatMap((batch) => batch.invalid);
  const failures = invalid.filter(({ reason }) => reason === 'decode_failed').length;
  const events = batches.reduce((sum, batch) => sum + batch.events.length, 0);
  if (failures > 0) parkGuard.assertMayPark(failures, events);
  return failures;
}

function noted(context: BatchContext, outcome: BatchOutcome): BatchOutcome {
  const parked = outcome.deadLetters.filter(
    ({ state, event, reason }) => state === 'parked' && (event || reason === 'decode_failed'),
  );
  context.parkGuard.note(parked.length, outcome.stored);
  return outcome;
}

/**
 * Processes slices of several partitions in one transaction, because a larger transaction costs
 * hardly more than a small one. Each slice is processed whole.
 *
 * @throws whatever failed. That includes a refused row, and ParkingNeeded if an event has to wait
 * behind a parked one: the caller must then process each slice on its own. Nothing of this attempt
 * has taken effect, with the exception that processBatch states.
 */
export async function processTogether(
  context: BatchContext,
  slices: readonly LogSlice[],
): Promise<Settled> {
  const batches: Batch[] = [];
  for (const slice of slices) batches.push(await decodeSlice(slice, context));
  const failures = assertMayRefuse(context, batches);
  const settled = await settleWhole(context, batches);
  context.parkGuard.note(failures, settled.stored);
  return settled;
}

async function settleOrIsolate(context: BatchContext, batch: Batch): Promise<BatchOutcome> {
  try {
    return { ...(await settleWhole(context, [batch])), next: batch.slice.next };
  } catch (error) {
    if (faultOf(error) === 'outage' && !(error instanceof ParkingNeeded)) throw error;
    return await isolate(context, batch);
  }
}

async function settleWhole(context: BatchContext, batches: readonly Batch[]): Promise<Settled> {
  const laps = new Laps<Phase>();
  const whole = await blaming((passedFence) =>
    inStoringTransaction(context.pool, context.limits, async (tx) => {
      const advances = batches.map(({ slice }) => ({ slice, to: slice.next }));
      const { anyClaims } = await inPhase('fence', () => fence(tx, context, advances));
      passedFence();
      laps.end('fence');
      const records = {
        events: batches.flatMap(({ events }) => events),
        invalid: batches.flatMap(({ invalid }) => invalid),
      };
      const mode = { kind: 'batch', anyClaims, mayPark: false, laps } as const;
      return await inPhase('settle', async () => {
        const settled = await settleRecords(tx, context, records, mode);
        for (const { slice } of batches)
          await insertGaps(tx, logPartitionOf(context, slice), slice.gaps);
        laps.end('settle');
        return settled;
      });
    }),
  );
  laps.end('commit');
  context.onTimed?.(laps.ms);
  return whole;
}
