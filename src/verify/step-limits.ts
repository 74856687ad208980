/** How large a step of the continuous proof may be, and how long its statement may take. Pure. */

/** As many rows fit into the memory that a query may use (proof-plans.ts). */
const OFFSETS_MAX = 40_000;
const OFFSETS_MIN = 500;
/** A step that takes longer is made again with fewer offsets, or a step of the patrol with more time. */
const STATEMENT_MS = 2000;
const STATEMENT_MS_MAX = 60_000;

export type StepKind = 'head' | 'patrol';

/**
 * The limits of both kinds of steps, each by its own steps alone: the head succeeds every few seconds,
 * and a step of the patrol that needs more time must get it all the same.
 */
export class StepLimits {
  readonly #statementMs: Record<StepKind, number> = { head: STATEMENT_MS, patrol: STATEMENT_MS };
  #offsetsMax = OFFSETS_MAX;

  /** The most offsets of a step of the head. */
  get offsetsMax(): number {
    return this.#offsetsMax;
  }

  statementMs(kind: StepKind): number {
    return this.#statementMs[kind];
  }

  /** After a success: events with much data take long to read, and a snapshot should not be held so long. */
  succeeded(kind: StepKind, tookMs: number): void {
    this.#statementMs[kind] = STATEMENT_MS;
    if (kind === 'patrol') return;
    const next = tookMs > STATEMENT_MS ? Math.floor(this.#offsetsMax / 4) : this.#offsetsMax * 2;
    this.#offsetsMax = Math.min(OFFSETS_MAX, Math.max(OFFSETS_MIN, next));
  }

  /** After a step whose statement took too long. */
  cutOff(kind: StepKind): void {
    this.#statementMs[kind] = Math.min(STATEMENT_MS_MAX, this.#statementMs[kind] * 2);
    if (kind === 'patrol') return;
    this.#offsetsMax = Math.max(OFFSETS_MIN, Math.floor(this.#offsetsMax / 4));
  }
}
