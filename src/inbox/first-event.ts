/**
 * Finds out whose fault it is that an event fails alone, for the first event of a slice. Each step
 * has a transaction of its own, so that it does not matter how the event fails: it may end the
 * session or fail at COMMIT.
 *
 *   try the event → it fails → try others, and undo them → try it once more → park it
 *
 * A failure counts only if another event succeeded after it, so that attempts made while everything
 * fails never add up to a verdict (G6). Others are the events behind it in the slice, or what other
 * partitions of this process stored since.
 */
import { reasonOf } from '../errors.ts';
import { faultOf, parkReasonOf } from '../handlers/run-handlers.ts';
import { decodeRecords, type EventRecord } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import { allRefused, mayBlameBatch } from './blame.ts';
import { parkUnrun, settleParking, wouldSucceed } from './isolate.ts';
import { type Batch, holdOf, isTakenAtWord } from './isolation.ts';
import type { BatchContext, BatchOutcome, HeldEvent } from './settle-piece.ts';
import { witnessesOf } from './witnesses.ts';

/** An event that failed alone before. */
export type KnownSuspect = {
  readonly from: number;
  /** Failures after which others succeeded. */
  readonly attempts: number;
  /** Whether this process stored other events since the last failure. */
  readonly othersSucceed: boolean;
};

/** Which events may be tried in order to see whether others succeed. */
export type WitnessRules = {
  /** Not one with which a process died. */
  readonly mayAsk: (offset: number) => boolean;
  /** To be called before a witness is tried. */
  readonly before: (offset: number) => Promise<void>;
};

const ANY_WITNESS: WitnessRules = { mayAsk: () => true, before: async () => {} };

/** The first record of a slice, with the gaps around it. */
export function firstOf(slice: LogSlice): { head: LogSlice; tail: LogSlice } {
  const [record] = slice.records;
  return splitSlice(slice, record === undefined ? slice.next : record.offset + 1);
}

/**
 * Settles the first record of the slice, or says why it is held.
 * @throws what is not about the events; nothing took effect then.
 */
export async function processFirst(
  context: BatchContext,
  slice: LogSlice,
  known: KnownSuspect | null,
  rules: WitnessRules = ANY_WITNESS,
): Promise<BatchOutcome> {
  const { head, tail } = firstOf(slice);
  const batch = batchOf(head);
  const [event] = batch.events;
  const failure = await tryOnce(context, batch);
  if ('next' in failure) return failure;
  // An invalid record writes only its own dead letter: if that fails, it is an outage.
  if (event === undefined) throw failure.error;
  const later = batchOf(tail).events.filter(({ record }) => rules.mayAsk(record.offset));
  const othersSucceed = await anySucceeds(context, slice, later, rules);
  const suspect = known?.from === event.record.offset ? known : null;
  const isRefused = faultOf(failure.error) === 'refused';
  const ruling = rule({
    isRefused,
    isTakenAtWord: isRefused && othersSucceed === null && isTakenAtWord(context, failure.error),
    othersSucceed,
    others: suspect?.othersSucceed ?? false,
    attempts: suspect?.attempts ?? 0,
    attemptsMax: context.handlers.attemptsMax,
  });
  if (ruling.verdict === 'hold') return held(slice, event, failure.error, ruling);
  if (ruling.verdict === 'park') return await park(context, batch, failure.error, ruling.attempts);
  const again = await tryOnce(context, batch);
  if ('next' in again) return again;
  return await park(context, batch, again.error, ruling.attempts);
}

/** What is known when an event has failed alone. */
type Case = {
  readonly isRefused: boolean;
  /** Whether that is enough where nobody else can be asked. */
  readonly isTakenAtWord: boolean;
  /** Whether an event behind it succeeded just now; null where none could be tried. */
  readonly othersSucceed: boolean | null;
  /** Whether other partitions stored something since its last failure. */
  readonly others: boolean;
  /** Failures confirmed before. */
  readonly attempts: number;
  readonly attemptsMax: number;
};

type Ruling = {
  readonly verdict: 'park' | 'try once more' | 'hold';
  readonly attempts: number;
  /** Whether this failure has been counted. */
  readonly isConfirmed: boolean;
  readonly isAllRefused: boolean;
};

/** Pure. */
export function rule(given: Case): Ruling {
  const { isRefused, isTakenAtWord, othersSucceed, others, attempts, attemptsMax } = given;
  const isAllRefused = isRefused && othersSucceed !== true;
  if (othersSucceed === true) {
    const counted = attempts + 1;
    const verdict = isRefused || counted >= attemptsMax ? 'try once more' : 'hold';
    return { verdict, attempts: counted, isConfirmed: true, isAllRefused };
  }
  // The failure before this one was followed by a success elsewhere: this is the once more.
  const isProven = others && (isRefused || attempts >= attemptsMax);
  const verdict = isProven || isTakenAtWord ? 'park' : 'hold';
  return { verdict, attempts, isConfirmed: false, isAllRefused };
}

async function tryOnce(
  context: BatchContext,
  batch: Batch,
): Promise<BatchOutcome | { readonly error: unknown }> {
  try {
    return await settleParking(context, batch);
  } catch (error) {
    if (!mayBlameBatch(error)) throw error;
    return { error };
  }
}

async function anySucceeds(
  context: BatchContext,
  slice: LogSlice,
  later: readonly EventRecord[],
  { before }: WitnessRules,
): Promise<boolean | null> {
  const witnesses = witnessesOf(later);
  for (const witness of witnesses) {
    await before(witness.record.offset);
    if (await wouldSucceed(context, slice, [witness])) return true;
  }
  return witnesses.length === 0 ? null : false;
}

async function park(
  context: BatchContext,
  batch: Batch,
  failure: unknown,
  attempts: number,
): Promise<BatchOutcome> {
  const reason = parkReasonOf(failure);
  return await parkUnrun(context, batch, { failure, reason, attempts: Math.max(attempts, 1) });
}

/** Nothing took effect, and the position stays. */
function held(
  slice: LogSlice,
  event: EventRecord,
  failure: unknown,
  { attempts, isConfirmed, isAllRefused }: Ruling,
): BatchOutcome {
  const hold: HeldEvent = { ...holdOf(event, failure), attempts, isConfirmed };
  const allToo = { code: 'ALL_REFUSED' as const, reason: reasonOf(allRefused(failure)) };
  return {
    stored: 0,
    duplicates: [],
    conflicts: [],
    deadLetters: [],
    next: slice.from,
    held: isAllRefused ? { ...hold, ...allToo } : hold,
  };
}

function batchOf(slice: LogSlice): Batch {
  return { slice, ...decodeRecords(slice.records) };
}
