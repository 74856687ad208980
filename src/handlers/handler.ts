/**
 * The port for a team's own business logic. A handler runs inside the transaction that stores the
 * events and moves the position: its effects become visible together with them or not at all.
 *
 *   export const handlers: Handler[] = [
 *     { name: 'charge', handle: async (events, tx) => { await tx.query('…', […]); } },
 *   ];
 *
 * What a handler does outside `tx` (HTTP calls, files) is outside the transaction too: it may
 * happen again after a rollback. Emit a message instead, or make the call idempotent by event id.
 */
import { brand } from '../errors.ts';
import type { OutboxMessage } from '../log/message.ts';

export type { OutboxMessage };

/** One event that has just been stored, in its one spelling. */
export type HandledEvent = {
  /** UUID, lower case. */
  readonly eventId: string;
  /** UUID, lower case. */
  readonly orderId: string;
  readonly userId: string;
  /** Positive decimal with four decimals, exact: `99.9500`. Never make it a float. */
  readonly totalAmount: string;
  /** UTC with microseconds: `2026-01-02T03:04:05.000000Z`. */
  readonly timestamp: string;
  readonly partition: number;
  readonly offset: number;
};

export type QueryResult = {
  readonly rows: readonly Record<string, unknown>[];
  readonly rowCount: number;
};

/** The transaction as a handler sees it: it can neither end it nor outlive its turn. */
export type HandlerTransaction = {
  /**
   * One statement, with parameters ($1, $2, …); to be awaited. Statements that begin or end
   * transactions or reach into the session are refused, and so are changes of Orderonce's own
   * tables (docs/handlers.md). An SQL error fails the whole batch, also when it is caught: use savepoint() for an
   * error that is expected.
   */
  query(text: string, values?: readonly unknown[]): Promise<QueryResult>;
  /** Runs `work` so that an SQL error inside undoes only what it did. Rethrows the error. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Puts a message into the outbox, in this transaction: published, at least once, if and only if
   * the event takes effect; those of one key in order. Its id, in the header orderonce-message-id,
   * is made of the event, the handler's name and the how-manieth it is: the same again after a
   * restore, if the handler emits the same in the same order.
   *
   * @param event the one that the message is about. @throws TerminalError when it is too large.
   */
  emit(event: HandledEvent, message: OutboxMessage): void;
};

export type Handler = {
  /** For logs and dead letters; unique. */
  readonly name: string;
  /**
   * Takes all events that a batch stored, at least one; they and their list are frozen. A batch is of one partition or of several;
   * those of each partition come in log order. Called again with the same events, or with some of
   * them, after any failure: the transaction before has left nothing.
   */
  handle(events: readonly HandledEvent[], tx: HandlerTransaction): Promise<void>;
  /**
   * What contradicts the handler's own tables, a line each; none means proven. Run by `orderonce
   * verify` on its read-only snapshot, beside what is stored. Without it they do not count as proven.
   */
  check?(db: Pick<HandlerTransaction, 'query'>): Promise<readonly string[]>;
};

/** "This event can never succeed": it is parked at once, its neighbours are kept. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';

  static {
    brand(TerminalError, 'TerminalError');
  }
}

/**
 * "A dependency of mine is away": the events are tried again with growing waits. While it happens to
 * all events nothing is parked, however long it lasts; an event for which alone it is thrown, while
 * others succeed, is parked in the end like any other that keeps failing.
 */
export class OutageError extends Error {
  override readonly name = 'OutageError';

  static {
    brand(OutageError, 'OutageError');
  }
}

/** The convenient form: one event at a time, in log order. Slower: a round trip or more for each. */
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
