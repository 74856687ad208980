/**
 * The interface for a team's own business logic. A handler runs inside the transaction that stores
 * the events and moves the position. Its effects become visible together with them, or not at all.
 *
 *   export const handlers: Handler[] = [
 *     { name: 'charge', handle: async (events, tx) => { await tx.query('…', […]); } },
 *   ];
 *
 * What a handler does outside `tx`, such as HTTP calls, is not part of the transaction and may
 * happen again after a rollback. Emit a message instead, or make the call idempotent by event id.
 */

import { brand } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { OutboxMessage } from '../log/message.ts';

export type { OutboxMessage };

/** What all stored events have. */
export type StoredEvent = Omit<Envelope, 'totalAmount'> & {
  /** The ids as they were sent, where `ids` of EVENTS_MODULE allows text ids; null for a UUID. */
  readonly sentEventId?: string | null;
  readonly sentOrderId?: string | null;
  /** Its place in the log. */
  readonly partition: number;
  readonly offset: number;
};

/**
 * An event that has just been stored, in its canonical form. A handler for events of declared types
 * is typed more precisely by `on` (orderonce/events).
 */
export type HandledEvent = StoredEvent & {
  /**
   * An exact number with four decimals: `99.9500`. Do not convert it to a float. It is negative or
   * null only in events of a type that EVENTS_MODULE declares so.
   */
  readonly totalAmount: string;
  /** Undefined in an event without a type, which then has no version and no data either. */
  readonly type?: string;
  /** The newest version that EVENTS_MODULE declares. */
  readonly version?: number;
  /** The event's data in the newest version, frozen. */
  readonly data?: unknown;
};

/** The result of a statement. `rowCount` is 0 for a statement that has none. */
export type QueryResult = {
  readonly rows: readonly Record<string, unknown>[];
  readonly rowCount: number;
};

/**
 * The transaction as a handler sees it. It works until `handle` returns; a handler cannot end it.
 */
export type HandlerTransaction = {
  /**
   * Runs one statement, with parameters ($1, $2, …). Await it. Statements that begin or end
   * transactions, change the session or change Orderonce's own tables are refused
   * (docs/handlers.md). An SQL error fails the whole batch, even if it is caught. Use savepoint()
   * for an error that you expect.
   */
  query(text: string, values?: readonly unknown[]): Promise<QueryResult>;
  /**
   * Runs `work` in a savepoint: an error in it undoes only what `work` did. Rethrows the error. Await
   * it: until it has ended, only `work` may use the transaction.
   */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Puts a message into the outbox, in this transaction. It is published, at least once, if and
   * only if the event takes effect; messages of one key are published in order. Its id, in the
   * header orderonce-message-id, is derived from the event id, the handler's name and its ordinal
   * number among the event's messages. So it is the same again after a restore, if the handler
   * emits the same messages in the same order.
   *
   * @param event the event of this batch that the message is about.
   * @throws TerminalError if the message can never be published, for example because it is too
   * large.
   */
  emit(event: HandledEvent, message: OutboxMessage): void;
};

/** A handler. Export an array of them as `handlers`. */
export type Handler = {
  /** Unique. It appears in logs and dead letters, and is part of the ids of its messages. */
  readonly name: string;
  /** The types of the events that it gets. Without it, a handler gets every event. */
  readonly on?: readonly string[];
  /**
   * Handles all events that a batch stored and that `on` names, at least one. The events and their
   * list are frozen. A batch comes from one partition or from several; the events of each partition
   * are in log order. After a failure it is called again with the same events, or with some of
   * them. The failed transaction has left nothing behind.
   */
  handle(events: readonly HandledEvent[], tx: HandlerTransaction): Promise<void>;
  /**
   * Checks the handler's own tables against the stored events, on the read-only snapshot of
   * `orderonce verify`. Without a check, verify does not count these tables as proven.
   * @returns a line for each contradiction; none if the tables are proven.
   */
  check?(db: Pick<HandlerTransaction, 'query'>): Promise<readonly string[]>;
};

/**
 * Throw it if an event can never succeed. That event is then parked without further attempts; other
 * events of the batch take effect.
 */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';

  static {
    brand(TerminalError, 'TerminalError');
  }
}

/**
 * Throw it if a dependency is away. The events are retried with growing waits. While it is thrown
 * for all events, nothing is parked, however long that lasts. An event for which alone it is
 * thrown, while others succeed, is parked in the end like any other that keeps failing.
 */
export class OutageError extends Error {
  override readonly name = 'OutageError';

  static {
    brand(OutageError, 'OutageError');
  }
}

/**
 * Makes a handler of a function that handles one event at a time. It is simpler, but slower: each
 * event costs at least one round trip to PostgreSQL. The events of a partition come in log order.
 */
export function forEachEvent(
  name: string,
  handleOne: (event: HandledEvent, tx: HandlerTransaction) => Promise<void>,
  rest: Pick<Handler, 'check'> = {},
): Handler {
  return {
    ...rest,
    name,
    handle: async (events, tx) => {
      for (const event of events) await handleOne(event, tx);
    },
  };
}
