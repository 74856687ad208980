/**
 * Finds out whether the first event of a slice, which fails on its own, is the cause of the
 * failure. Each step has a transaction of its own, so the event may fail in any way: it may even
 * end the session, or fail only at COMMIT.
 *
 *   try the event → it fails → try others and roll them back → try it once more → park it
 *
 * A failure counts only if another event succeeded after it. Attempts that are made while
 * everything fails therefore never lead to parking (G6). The other events are those behind it in
 * the slice, or those that other partitions of this process have stored since the failure.
 */
import { reasonOf } from '../errors.ts';
import { faultOf, parkReasonOf } from '../handlers/run-handlers.ts';
import { decodeInTurns, decodeSlice, decodeTopic, isDecoded } from '../log/decode-hook.ts';
import type { EventRecord } from '../log/decoded-record.ts';
import type { LogRecord, LogSlice } from '../log/event-log.ts';
import { splitSlice } from '../log/log-slice.ts';
import type { BatchContext, BatchOutcome, HeldEvent } from './batch.ts';
import { allRefused, mayBlameBatch } from './blame.ts';
import { parkUnrun, settleParking, wouldSucceed } from './isolate.ts';
import { type Batch, holdOf, isTakenAtWord } from './isolation.ts';
import { witnessesOf } from './witnesses.ts';

/** An event that failed alone before. */
export type KnownSuspect = {
  /** Its offset. */
  readonly from: number;
  /** How many of its failures were followed by a success of another event. */
  readonly attempts: number;
  /** Whether this process stored other events since the last failure. */
  readonly othersSucceed: boolean;
};

/**
 * Rules for witnesses. A witness is an event behind the failing one that is tried, and always
 * rolled back, to see whether other events succeed.
 */
export type WitnessRules = {
  /** Whether the event at this offset may be a witness. False if a process died of it. */
  readonly mayAsk: (offset: number) => boolean;
  /** Called before a witness is tried. */
  readonly before: (offset: number) => Promise<void>;
};

const ANY_WITNESS: WitnessRules = { mayAsk: () => true, before: async () => {} };

/** Splits a slice behind its first record. `head` has that record and the gaps before it. */
export function firstOf(slice: LogSlice): { head: LogSlice; tail: LogSlice } {
  const [record] = slice.records;
  return splitSlice(slice, record === undefined ? slice.next : record.offset + 1);
}

/**
 * Settles the first record of the slice, or returns why it is held (`BatchOutcome.held`).
 * @throws a failure that no event can have caused. Nothing has taken effect then.
 */
export async function processFirst(
  context: BatchContext,
  slice: LogSlice,
  known: KnownSuspect | null,
  rules: WitnessRules = ANY_WITNESS,
): Promise<BatchOutcome> {
  const { head, tail } = firstOf(slice);
  const batch = await decodeSlice(head, context);
  const [event] = batch.events;
  const failure = await tryOnce(context, batch);
  if ('next' in failure) return failure;
  // For an invalid record only a dead letter is written. If that fails, it is an outage.
  if (event === undefined) throw failure.error;
  const candidates = await candidatesIn(tail, context);
  const later = candidates.filter(({ offset }) => rules.mayAsk(offset));
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
  /** It was refused, by its handler or by PostgreSQL; see `faultOf`. */
  readonly isRefused: boolean;
  /** The refusal is enough to park it although no other event could be tried. */
  readonly isTakenAtWord: boolean;
  /** Whether a witness succeeded just now; null if there was no witness. */
  readonly othersSucceed: boolean | null;
  /** Whether other partitions have stored something since its last failure. */
  readonly others: boolean;
  /** Failures that were confirmed before; see `KnownSuspect.attempts`. */
  readonly attempts: number;
  readonly attemptsMax: number;
};

type Ruling = {
  readonly verdict: 'park' | 'try once more' | 'hold';
  readonly attempts: number;
  /** Whether `attempts` includes this failure. */
  readonly isConfirmed: boolean;
  readonly isAllRefused: boolean;
};

/** Decides what to do with an event that has failed alone. Pure. */
export function rule(given: Case): Ruling {
  const { isRefused, isTakenAtWord, othersSucceed, others, attempts, attemptsMax } = given;
  const isAllRefused = isRefused && othersSucceed !== true;
  if (othersSucceed === true) {
    const counted = attempts + 1;
    const verdict = isRefused || counted >= attemptsMax ? 'try once more' : 'hold';
    return { verdict, attempts: counted, isConfirmed: true, isAllRefused };
  }
  // The previous failure was followed by a success elsewhere, so this try was already the
  // "once more" that parking requires.
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

/** Records that may hold an event. Where a process may die of decoding, none is decoded yet. */
async function candidatesIn(
  { records }: LogSlice,
  context: BatchContext,
): Promise<readonly LogRecord[]> {
  if (isDecoded(context)) return records;
  const { events } = await decodeInTurns(records, context);
  return events.map(({ record }) => record);
}

async function anySucceeds(
  context: BatchContext,
  slice: LogSlice,
  later: readonly LogRecord[],
  { before }: WitnessRules,
): Promise<boolean | null> {
  let isAnyTried = false;
  for (const record of witnessesOf(later)) {
    await before(record.offset);
    const [witness] = decodeTopic([record], context).events;
    if (witness === undefined) continue;
    isAnyTried = true;
    if (await wouldSucceed(context, slice, [witness])) return true;
  }
  return isAnyTried ? false : null;
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

/** The outcome for an event that is held: nothing took effect, and the position has not moved. */
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
    storedRecords: [],
    duplicates: [],
    conflicts: [],
    deadLetters: [],
    next: slice.from,
    held: isAllRefused ? { ...hold, ...allToo } : hold,
  };
}
