/**
 * What to do with an event that may be poison but could not be parked yet, for one partition.
 *
 * - It **failed** alone: it is tried again on its own (first-event.ts), and parked once enough failures
 *   were each followed by a success of others. Counted in memory: a new process counts anew.
 * - A process **died** in the middle of a batch, or was killed. The first batch after that is noted
 *   before it runs, and runs alone in the process; if the process dies again, its events run one at
 *   a time, each noted before; one with which the process dies more than DEATHS_MAX times is
 *   parked without being run. Notes are written outside the heart's transaction, to outlive us.
 *
 * Without handlers nothing dies of an event, and nothing is noted: what could loop or exit is only
 * in them.
 */

import { firstOf, type KnownSuspect, type WitnessRules } from '../inbox/first-event.ts';
import type { BatchContext, BatchOutcome, HeldEvent } from '../inbox/settle-records.ts';
import type { LogSlice } from '../log/event-log.ts';
import { clearSuspect, noteAttempt, type Suspect } from '../store/suspects.ts';

const DEATHS_MAX = 2;

type Failure = {
  readonly from: number;
  /** Failures after which others succeeded. */
  readonly attempts: number;
  /** Events stored by this process when it failed last; null where that failure is counted. */
  readonly storedThen: number | null;
};

export class Suspicion {
  readonly #context: BatchContext;
  #failure: Failure | null = null;
  #isNoted = false;
  /** The process before us did not hand the partition over: it may have died of the next batch. */
  #isUnclean: boolean;
  /** Up to here events run one at a time. */
  readonly #singlyUntil: number;
  /** With the event here a process died, alone. */
  readonly #deadly: number | null;

  constructor(context: BatchContext, noted: Suspect | null, isUnclean: boolean) {
    this.#context = context;
    this.#isUnclean = isUnclean;
    this.#singlyUntil = noted?.to ?? 0;
    this.#deadly = noted !== null && noted.to === noted.from + 1 ? noted.from : null;
  }

  /** The event that failed alone and is to be tried on its own, or null. */
  get failed(): KnownSuspect | null {
    if (this.#failure === null) return null;
    const { from, attempts, storedThen } = this.#failure;
    const othersSucceed = storedThen !== null && this.#context.parkGuard.storedTotal > storedThen;
    return { from, attempts: attempts + (othersSucceed ? 1 : 0), othersSucceed };
  }

  /**
   * Whether the next batch must run alone in the process: if it dies, exactly that batch is to
   * blame, and no innocent one of another partition.
   */
  runsAlone(nextOffset: number): boolean {
    return this.#isUnclean || this.#runsSingly(nextOffset);
  }

  /** Whether only the first event of the next batch may run. */
  runsFirstOnly(nextOffset: number): boolean {
    return this.#failure !== null || this.#runsSingly(nextOffset);
  }

  #runsSingly(nextOffset: number): boolean {
    return nextOffset < this.#singlyUntil;
  }

  /** To be called before a batch runs. @returns whether its first event must not run, but be parked. */
  async mustPark(slice: LogSlice): Promise<boolean> {
    if (!this.runsAlone(slice.from)) return false;
    const isSingle = this.#runsSingly(slice.from);
    const { from, next: to } = isSingle ? firstOf(slice).head : slice;
    const attempts = await this.#note(slice, from, to);
    return isSingle && attempts > DEATHS_MAX;
  }

  /** Where a process may die of a witness too, that one is noted before it is tried. */
  witnessRules(slice: LogSlice): WitnessRules {
    const mayDie = this.runsAlone(slice.from);
    return {
      mayAsk: (offset) => offset !== this.#deadly,
      before: async (offset) => {
        if (mayDie) await this.#note(slice, offset, offset + 1);
      },
    };
  }

  async #note({ partition }: LogSlice, from: number, to: number): Promise<number> {
    const { pool, logId } = this.#context;
    this.#isNoted = true;
    const { attempts } = await noteAttempt(pool, { logId, partition }, { from, to });
    return attempts;
  }

  /**
   * To be called when a run has ended, either way: we live, so nobody died of it. A note that
   * stood on would be blamed for the next death, whoever caused it.
   */
  async survived({ partition }: LogSlice): Promise<void> {
    if (!this.#isNoted) return;
    const { pool, logId } = this.#context;
    await clearSuspect(pool, { logId, partition });
    this.#isNoted = false;
  }

  /** To be called after a batch has been committed. */
  async passed(slice: LogSlice, { held }: BatchOutcome): Promise<void> {
    this.#isUnclean = false;
    this.#failure = held === undefined ? null : this.#failedAgain(held);
    await this.survived(slice);
  }

  /** Every event of a batch was refused: its first one is tried on its own, as others may succeed. */
  allRefused({ from, records }: LogSlice): void {
    const offset = records[0]?.offset ?? from;
    this.#failure = this.#failedAgain({ offset, attempts: 0, isConfirmed: false });
  }

  #failedAgain({
    offset,
    attempts,
    isConfirmed,
  }: Pick<HeldEvent, 'offset' | 'attempts' | 'isConfirmed'>): Failure {
    const { storedTotal } = this.#context.parkGuard;
    return { from: offset, attempts, storedThen: isConfirmed ? null : storedTotal };
  }
}
