/**
 * What one partition does with an event that may be poison but cannot be parked yet.
 *
 * - An event **failed** alone. It is retried on its own (first-event.ts), and parked once enough of
 *   its failures were each followed by a success of other events. The failures are counted in
 *   memory, so a new process counts from zero.
 * - A process **died** in the middle of a batch, or was killed. The next process notes its first
 *   batch before it runs it, and runs it alone in the process. If that process dies too, the events
 *   of the batch run one at a time, each noted before. An event with which the process dies more
 *   than DEATHS_MAX times is parked without being run. A note is written outside the batch
 *   transaction, so that it outlives the process.
 *
 * Where records are decoded by the team's function, the note also says whether a record was decoded
 * before the process died. If it was, its event is known and is parked as such. If not, the record is
 * parked without being decoded.
 *
 * Only handlers and decode functions can loop or end the process. Without them nothing is noted.
 */

import type { BatchContext, BatchOutcome, HeldEvent } from '../inbox/batch.ts';
import { firstOf, type KnownSuspect, type WitnessRules } from '../inbox/first-event.ts';
import { decodeTopic, isDecoded } from '../log/decode-hook.ts';
import type { LogSlice } from '../log/event-log.ts';
import { clearSuspect, noteAttempt, noteDecoded, type Suspect } from '../store/suspects.ts';

const DEATHS_MAX = 2;

type Failure = {
  /** The event's offset. */
  readonly from: number;
  /** How many of its failures were followed by a success of other events. */
  readonly attempts: number;
  /**
   * How many events this process had stored at its last failure; null if `attempts` includes it.
   */
  readonly storedThen: number | null;
};

/** The suspicions of one partition. Its notes are in the table `suspects`. */
export class Suspicion {
  readonly #context: BatchContext;
  #failure: Failure | null = null;
  #isNoted = false;
  /** The previous owner did not release the partition, so it may have died of the next batch. */
  #isUnclean: boolean;
  /** Events before this offset run one at a time. */
  readonly #singlyUntil: number;
  /** The offset of an event with which a process died while that event ran alone; or null. */
  readonly #deadly: number | null;
  /** Whether that record had been decoded before. */
  readonly #wasDecoded: boolean;

  /**
   * @param noted the note that an earlier process left, or null.
   * @param isUnclean whether the previous owner of the partition did not release it.
   */
  constructor(context: BatchContext, noted: Suspect | null, isUnclean: boolean) {
    this.#context = context;
    this.#isUnclean = isUnclean;
    this.#singlyUntil = noted?.to ?? 0;
    this.#deadly = noted !== null && noted.to === noted.from + 1 ? noted.from : null;
    this.#wasDecoded = noted?.isDecoded ?? false;
  }

  /** The event that failed alone and must be retried on its own, or null. */
  get failed(): KnownSuspect | null {
    if (this.#failure === null) return null;
    const { from, attempts, storedThen } = this.#failure;
    const othersSucceed = storedThen !== null && this.#context.parkGuard.storedTotal > storedThen;
    return { from, attempts: attempts + (othersSucceed ? 1 : 0), othersSucceed };
  }

  /**
   * Whether the next batch must run alone in the process. If the process dies then, this batch is
   * the cause, and not one of another partition.
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

  /**
   * Call it before a batch runs.
   * @returns whether its first event must be parked without being run: `undecoded` if the record must
   * not even be decoded; null if it may run.
   */
  async mustPark(slice: LogSlice): Promise<'unrun' | 'undecoded' | null> {
    if (!this.runsAlone(slice.from)) return null;
    const isSingle = this.#runsSingly(slice.from);
    const { head } = firstOf(slice);
    const { from, next: to } = isSingle ? head : slice;
    const attempts = await this.#note(slice, from, to);
    if (!isSingle) return null;
    const isDeadly = attempts > DEATHS_MAX;
    if (isDecoded(this.#context) && head.records.length > 0) {
      if (isDeadly && !this.#wasDecoded) return 'undecoded';
      // A process may die here, so it is done before anything else is.
      decodeTopic(head.records, this.#context);
      const { pool, logId } = this.#context;
      await noteDecoded(pool, { logId, partition: slice.partition });
    }
    return isDeadly ? 'unrun' : null;
  }

  /** Rules for the witnesses of a slice. If the process may die of one, it is noted before. */
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
   * Call it when a batch has committed or failed: the process has survived it. Deletes the note,
   * which would otherwise be blamed if the process later dies of something else.
   */
  async survived({ partition }: LogSlice): Promise<void> {
    if (!this.#isNoted) return;
    const { pool, logId } = this.#context;
    await clearSuspect(pool, { logId, partition });
    this.#isNoted = false;
  }

  /** Call it after a batch has committed. */
  async passed(slice: LogSlice, { held }: BatchOutcome): Promise<void> {
    this.#isUnclean = false;
    this.#failure = held === undefined ? null : this.#failedAgain(held);
    await this.survived(slice);
  }

  /**
   * Call it if every event of a batch was refused. Its first event is then tried on its own, while
   * events of other partitions may succeed.
   */
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
