/**
 * Names for statements that run all the time: each session has them parsed and planned once. For a
 * small batch that was half of PostgreSQL's work.
 */
import { createHash } from 'node:crypto';

const names = new Map<string, string>();
/** A session may lose its names otherwise too (DISCARD ALL); a pooler loses them again and again. */
const LOSSES_MAX = 3;

/**
 * Marks a statement that runs all the time. Its name is a digest of its text: behind a pooler that
 * knows names, two releases share sessions, and one name must never mean two statements.
 */
export function prepared(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32);
  names.set(text, `orderonce_${digest}`);
  return text;
}

/** Whether a pool uses names. It stops where something between it and PostgreSQL loses them. */
export class StatementNames {
  readonly #onGivenUp: () => void;
  #losses = 0;
  #isGivenUp = false;

  /** @param onGivenUp called once, when names are no longer used. */
  constructor(onGivenUp: () => void) {
    this.#onGivenUp = onGivenUp;
  }

  nameOf(text: string): string | undefined {
    return this.#isGivenUp ? undefined : names.get(text);
  }

  /** @param isPooled whether a pooler is known to be there. */
  noteLost(isPooled: boolean): void {
    this.#losses++;
    if (this.#isGivenUp || (!isPooled && this.#losses < LOSSES_MAX)) return;
    this.#isGivenUp = true;
    this.#onGivenUp();
  }
}
