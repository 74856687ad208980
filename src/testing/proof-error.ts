/** What is not the same as in the undisturbed run. */
export type Difference = {
  /** A table of the team, `outbox`, or null where it is about an event or a handler. */
  readonly table: string | null;
  /** `charges: 2 rows instead of 1 for event …` */
  readonly what: string;
  /** What the caller may do if it is meant to be so. */
  readonly hint?: string;
};

/** The handlers do not have the same effect whatever happens. */
export class ProofError extends Error {
  override readonly name = 'ProofError';
  readonly table: string | null;
  /** What was done to the run in which it showed: `after a lost COMMIT reply`. */
  readonly circumstance: string;

  constructor({ table, what, hint }: Difference, circumstance: string) {
    super(
      `${what}${circumstance === '' ? '' : ` ${circumstance}`}${hint === undefined ? '' : `\n${hint}`}`,
    );
    this.table = table;
    this.circumstance = circumstance;
  }
}
