/**
 * What to do with an event that may be poison but could not be parked yet, for one partition.
 *
 * - It **failed** alone for an unknown reason: the batch is taken apart around it, and it is parked
 *   after some failures (isolate.ts). Counted in memory: a new process counts anew.
 * - A process **died** in the middle of a batch, or was killed. The first batch after that is noted
 *   before it runs, and runs alone in the process; if the process dies again, its events run one at
 *   a time, each noted before; one with which the process dies more than DEATHS_MAX times is
 *   parked without being run. Notes are written outside the heart's transaction, to outlive us.
 *
 * Without handlers nothing dies of an event, and nothing is noted: what could loop or exit is only
 * in them.
 */
import type { LogSlice } from '../log/event-log.ts';
import { clearSuspect, noteAttempt, type Suspect } from '../store/suspects.ts';
import type { KnownSuspect } from './isolate.ts';
import type { BatchContext, BatchOutcome } from './settle-piece.ts';

const DEATHS_MAX = 2;

type Failure = { readonly from: number; readonly attempts: number; readonly storedBefore: number };

export class Suspicion {
  readonly #context: BatchContext;
  #failure: Failure | null = null;
  #isNoted = false;
  /** The process before us did not hand the partition over: it may have died of the next batch. */
  #isUnclean: boolean;
  /** Up to here events run one at a time. */
  readonly #singlyUntil: number;

  constructor(context: BatchContext, noted: Suspect | null, isUnclean: boolean) {
    this.#context = context;
    this.#isUnclean = isUnclean;
    this.#singlyUntil = noted?.to ?? 0;
  }

  /**
   * For the heart: the event to stand alone from the beginning. While events run one at a time,
   * none behind it can show whether others succeed; then those before it count.
   */
  get failed(): KnownSuspect | null {
    if (this.#failure === null) return null;
    const { from, attempts, storedBefore } = this.#failure;
    const since = from < this.#singlyUntil ? 0 : storedBefore;
    return { from, attempts, othersSucceed: this.#context.parkGuard.storedTotal > since };
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
  async mustPark({ from, next: to, partition }: LogSlice): Promise<boolean> {
    if (!this.runsAlone(from)) return false;
    const { pool, logId } = this.#context;
    const { attempts } = await noteAttempt(pool, { logId, partition }, { from, to });
    this.#isNoted = true;
    return from < this.#singlyUntil && attempts > DEATHS_MAX;
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
    this.#failure = held === undefined ? null : this.#failedAgain(held.offset);
    await this.survived(slice);
  }

  #failedAgain(from: number): Failure {
    const before = this.#failure?.from === from ? this.#failure : null;
    const { storedTotal } = this.#context.parkGuard;
    return {
      from,
      attempts: (before?.attempts ?? 0) + 1,
      storedBefore: before?.storedBefore ?? storedTotal,
    };
  }
}
