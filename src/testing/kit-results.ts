/**
 * What a kit returns. These types use nothing of the code that reaches PostgreSQL, so that a team's
 * compiler can check the declarations of the kit without those of the driver.
 */

/** What one drain did with the records. */
export type Drained = {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  /** Dead letters: refused events, and those that wait behind one of their order. */
  readonly parked: number;
  readonly waiting: number;
};

/** The place of a record in the kit's log. */
export type PlaceInTest = {
  readonly logId: number;
  readonly partition: number;
  readonly offset: number;
};

/** A dead letter, without its bytes. */
export type DeadLetterInTest = PlaceInTest & {
  /** Null if the record is no valid event. */
  readonly eventId: string | null;
  readonly orderId: string | null;
  readonly state: 'parked' | 'waiting' | 'discarded';
  /** `refused_by_handler`, for example; docs/dead-letters.md lists all of them. */
  readonly reason: string;
  readonly detail: unknown;
  readonly sqlState: string | null;
  readonly attempts: number;
};

/** What a redrive did with one dead letter; docs/dead-letters.md explains the outcomes. */
export type RedriveInTest = PlaceInTest & {
  readonly outcome: 'stored' | 'duplicate' | 'conflict' | 'failed' | 'behind' | 'gone' | 'invalid';
  /** Why it was not stored. */
  readonly message?: string;
};

/** A message of a handler, with key and value as text where they are valid UTF-8. */
export type EmittedInTest = {
  readonly topic: string;
  readonly key: string;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly eventId: string;
  readonly handler: string;
};

/** What a proof has tried. */
export type Proof = {
  /** Events that took effect in the undisturbed run, and in every other one. */
  readonly stored: number;
  /** Events that are dead letters in each of them. */
  readonly deadLetters: number;
  /** What was done, one run each. */
  readonly tried: readonly string[];
  /** Failures that were injected. */
  readonly faults: number;
};
