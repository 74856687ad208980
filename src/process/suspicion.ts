/**
 * What to do with an event that may be poison but could not be parked yet, for one partition.
 *
 * - `failed`: it failed alone for an unknown reason. The batch is taken apart around it; it is
 *   parked after ATTEMPTS_MAX failures (isolate.ts).
 * - `died`: a process ended in the middle of a batch, or was killed. The first batch after that is
 *   noted before it runs, and runs alone in the process; if the process dies again, its events run
 *   one at a time, each noted before; one with which the process dies more than DEATHS_MAX times
 *   is parked without being run.
 *
 * Notes are written outside the heart's transaction, since they must outlive the process. Without
 * handlers nothing here is asked: what could loop or exit is only in them.
 */
import type { LogSlice } from '../log/event-log.ts';
import { clearSuspect, noteAttempt, type Suspect } from '../store/suspects.ts';
import type { KnownSuspect } from './isolate.ts';
import { type BatchContext, type BatchOutcome, placeOf } from './settle-piece.ts';

const DEATHS_MAX = 2;
const DEATH = 'The process ended while this was being handled';

export class Suspicion {
  readonly #context: BatchContext;
  #suspect: Suspect | null;
  /** The process before us did not hand the partition over: it may have died of the next batch. */
  #isUnclean: boolean;
  /** What the process had stored when the suspect failed for the first time. */
  #storedAtFailure = 0;
  /** Up to here events run one at a time. */
  #singlyUntil: number;

  constructor(context: BatchContext, suspect: Suspect | null, isUnclean: boolean) {
    this.#context = context;
    this.#suspect = suspect;
    this.#isUnclean = isUnclean;
    this.#singlyUntil = suspect?.kind === 'died' ? suspect.to : 0;
  }

  /**
   * For the heart: the event to stand alone from the beginning. While events run one at a time,
   * none behind it can show whether others succeed; then those before it count.
   */
  get failed(): KnownSuspect | null {
    if (this.#suspect?.kind !== 'failed') return null;
    const { from, attempts } = this.#suspect;
    const { storedTotal } = this.#context.parkGuard;
    const since = from < this.#singlyUntil ? 0 : this.#storedAtFailure;
    return { from, attempts, othersSucceed: storedTotal > since };
  }

  /**
   * Whether the next batch must run alone in the process: if it dies, exactly that batch is to
   * blame, and no innocent one of another partition.
   */
  runsAlone(nextOffset: number): boolean {
    return this.#isUnclean || nextOffset < this.#singlyUntil;
  }

  /** How many records the next batch may hold. */
  recordsMax(nextOffset: number, batchMax: number): number {
    return nextOffset < this.#singlyUntil ? 1 : batchMax;
  }

  /** To be called before a batch runs. @returns whether it must not run, but be parked. */
  async mustPark(slice: LogSlice): Promise<boolean> {
    const isSingle = slice.from < this.#singlyUntil;
    if (!isSingle && !this.#isUnclean) return false;
    this.#suspect = await noteAttempt(this.#context.pool, placeOf(this.#context, slice), {
      from: slice.from,
      to: slice.next,
      kind: 'died',
      reason: DEATH,
    });
    return isSingle && this.#suspect.attempts > DEATHS_MAX;
  }

  /** To be called after a batch has been committed. */
  async passed(slice: LogSlice, { held, next }: BatchOutcome): Promise<void> {
    const place = placeOf(this.#context, slice);
    this.#isUnclean = false;
    if (held !== undefined) {
      const { offset: from, reason } = held;
      if (this.#suspect?.from !== from) {
        this.#storedAtFailure = this.#context.parkGuard.storedTotal;
      }
      const note = { from, to: from + 1, kind: 'failed', reason } as const;
      this.#suspect = await noteAttempt(this.#context.pool, place, note);
    } else if (this.#suspect !== null && next >= this.#suspect.to) {
      await clearSuspect(this.#context.pool, place);
      this.#suspect = null;
    }
  }
}
