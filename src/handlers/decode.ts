/** What a team's decode function gets and returns. Exported as types by `orderonce/events`. */

/** A record of a topic that others write. Everything in it is a copy. */
export type ForeignRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  /** In the order of the record. A name may occur more than once. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  /** The time of the record in ms since 1970. The client that wrote it may have set it. */
  readonly timestamp: number;
};

/** An event as an object, or as JSON text in the form that the API accepts. */
export type DecodedEvent = Readonly<Record<string, unknown>> | string | Uint8Array;

/**
 * Decodes a record: an event, or null if the record is no event for this deployment. What it throws
 * is the reason with which the record is parked. It must be synchronous, and must return the same
 * for the same record each time, because a record is decoded again whenever it is read again.
 */
export type Decode = (record: ForeignRecord) => DecodedEvent | null;
