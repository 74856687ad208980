/**
 * Names for the most frequent statements. A named statement is a prepared one: each session parses
 * and plans it once. For a small batch, parsing and planning was half of PostgreSQL's work.
 */
import { createHash } from 'node:crypto';

const names = new Map<string, string>();
/**
 * A session may lose its names once, by DISCARD ALL. From this many losses on it must be a pooler.
 */
const LOSSES_MAX = 3;

/**
 * Marks a statement as one to be prepared. Its name is a digest of its text. Two releases may share
 * sessions behind a pooler that supports prepared statements, and a name must not mean two
 * statements.
 * @returns the text, unchanged.
 */
export function prepared(text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32);
  names.set(text, `orderonce_${digest}`);
  return text;
}

/** The names that a pool uses. It stops using them if a pooler loses prepared statements. */
export class StatementNames {
  readonly #onGivenUp: () => void;
  #losses = 0;
  #isGivenUp = false;

  /** @param onGivenUp called once, when it stops using names. */
  constructor(onGivenUp: () => void) {
    this.#onGivenUp = onGivenUp;
  }

  /** The name of a statement; undefined if it is to be sent without one. */
  nameOf(text: string): string | undefined {
    return this.#isGivenUp ? undefined : names.get(text);
  }

  /** Call it when PostgreSQL did not know a name. @param isPooled a pooler is known to be there. */
  noteLost(isPooled: boolean): void {
    this.#losses++;
    if (this.#isGivenUp || (!isPooled && this.#losses < LOSSES_MAX)) return;
    this.#isGivenUp = true;
    this.#onGivenUp();
  }
}
