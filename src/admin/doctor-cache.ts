/** The doctor's findings for the API: made by one request at a time, and kept for a minute. */

import { within } from '../runtime/deadline.ts';
import { utcText } from '../store/utc.ts';
import type { DoctorSummary } from './overview-feed.ts';

/** A finding of the doctor, as GET /doctor shows it. */
export type DoctorFinding = {
  readonly area: string;
  readonly check: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly remedy?: string;
};

/** Makes all checks. */
export type Examine = () => Promise<readonly DoctorFinding[]>;

export type DoctorResult = {
  readonly fit: boolean;
  readonly checked_at: string;
  readonly findings: readonly DoctorFinding[];
};

const KEPT_MS = 60_000;
/** Checks ask brokers, PostgreSQL and both services; they are not repeated more often. */
const SPACING_MS = 10_000;
const EXAMINE_MS = 20_000;
/** An older result says nothing about now. */
const EXPIRED_MS = 300_000;

/** Keeps the last result. */
export class DoctorCache {
  readonly #examine: Examine;
  readonly #now: () => number;
  #last: { readonly at: number; readonly result: DoctorResult } | null = null;
  #running: Promise<void> | null = null;

  constructor(examine: Examine, now: () => number = Date.now) {
    this.#examine = examine;
    this.#now = now;
  }

  /**
   * The last result, or a new one if that is older than a minute.
   * @param isFresh also if it is older than 10 seconds.
   * @throws the reason, if the checks cannot be made or take longer than 20 s.
   */
  async read(isFresh: boolean): Promise<DoctorResult> {
    const age = this.#now() - (this.#last?.at ?? Number.NEGATIVE_INFINITY);
    if (age >= (isFresh ? SPACING_MS : KEPT_MS)) {
      const late = () => new Error(`The checks take longer than ${EXAMINE_MS / 1000} s`);
      await within(EXAMINE_MS, this.#start(), late);
    }
    return (this.#last as { result: DoctorResult }).result;
  }

  #start(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const findings = await this.#examine();
    const at = this.#now();
    const fit = findings.every(({ verdict }) => verdict !== 'fail');
    const checked_at = utcText(at);
    this.#last = { at, result: { fit, checked_at, findings } };
  }

  /**
   * The last result in numbers; null if there is none, or only one of more than five minutes ago. After
   * a minute, failures are checked again in the background, since somebody may have mended them.
   */
  get summary(): DoctorSummary | null {
    if (this.#last === null) return null;
    const age = this.#now() - this.#last.at;
    const { fit, checked_at, findings } = this.#last.result;
    if (!fit && age >= KEPT_MS) this.#start().catch(() => {});
    if (age >= EXPIRED_MS) return null;
    const count = (wanted: string) => findings.filter(({ verdict }) => verdict === wanted).length;
    return { fit, checked_at, failures: count('fail'), warnings: count('warn') };
  }
}
