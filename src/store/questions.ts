/** What is asked about the rows of a scope, and what is found. */
import type { Scope } from './account-scope.ts';

/** What is asked of the tables alone. */
export const ROW_KINDS = [
  'altered',
  'effect',
  'last event',
  'orphan',
  'unexplained',
  'claimed twice',
  'held order',
] as const;

/** A contradiction about rows. */
export type RowFinding = {
  /** `event type` depends on what a process declares, and only `verify` asks it. */
  readonly kind: (typeof ROW_KINDS)[number] | 'event type';
  /** An event, order or message; the place of what has no such id. */
  readonly id: string;
  readonly message: string;
  /**
   * What is wrong, as text that changes only if something else is wrong: an event that arrives
   * properly changes the message about its order, and not this.
   */
  readonly evidence: string;
};

/**
 * A query about the rows of a scope. It selects `kind`, `id` and `message` for each contradiction, and
 * `evidence` where that is not the message.
 */
export type Question = {
  /** What is looked for, for the progress of `verify`. */
  readonly label: string;
  readonly sql: (scope: Scope) => string;
};
