import type { TraceContext } from '../log/event-log.ts';
import {
  type EmittedMessage,
  type OutboxMessage,
  whyUnpublishable,
  withTrace,
} from '../log/message.ts';
import { pause } from '../runtime/backoff.ts';
import { enterHandler, type HandlerEntry, leaveHandler } from '../store/handler-guard.ts';
import { insertMessages } from '../store/outbox.ts';
import { settledParameters } from '../store/parameters.ts';
import type { Transaction } from '../store/queryable.ts';
import { inSavepoint } from '../store/transaction.ts';
import { whyForbidden } from './forbidden-statements.ts';
import {
  type HandledEvent,
  type HandlerTransaction,
  type QueryResult,
  TerminalError,
} from './handler.ts';
import { OpenSavepoints, workIn } from './open-savepoints.ts';
import { readThrown, UnawaitedError } from './thrown.ts';

/**
 * How long a statement under way is waited for before it is cancelled. It may show what is wrong.
 */
const SETTLE_MS = 100;

/** The trace contexts of those events that have one, by event id. */
export type EventTraces = ReadonlyMap<string, TraceContext>;

export type GuardedTransactionOptions = {
  readonly handler: string;
  /** The events that the handler is given. */
  readonly events: readonly HandledEvent[];
  readonly traces: EventTraces;
  /** Cancels the statement that runs on the connection. */
  readonly cancel: () => Promise<void>;
};

/**
 * A handler's access to the transaction. Each statement is sent by the extended protocol, which
 * allows only one statement at a time, so a handler cannot hide a COMMIT behind another statement.
 * (A procedure or DO block that commits fails inside a transaction block: PostgreSQL manual, 43.8.)
 *
 * An SQL error aborts the whole transaction, even if the handler catches it. finish() therefore
 * throws the error; otherwise PostgreSQL would answer COMMIT with ROLLBACK.
 */
export class GuardedTransaction {
  readonly #tx: Transaction;
  readonly #options: GuardedTransactionOptions;
  /** Made when the first message is emitted. */
  #eventIds: ReadonlySet<string> | undefined;
  readonly #emitted: Omit<EmittedMessage, 'n'>[] = [];
  /** Statements that have not ended, with their texts. */
  readonly #underWay = new Map<Promise<unknown>, string>();
  #entered: Promise<HandlerEntry> | undefined;
  #failure: unknown;
  /** A call beside an open savepoint. Unlike an SQL error, no savepoint undoes it. */
  #misuse: UnawaitedError | undefined;
  readonly #savepoints = new OpenSavepoints();
  #closed = false;

  constructor(tx: Transaction, options: GuardedTransactionOptions) {
    this.#tx = tx;
    this.#options = options;
  }

  /** What the handler is given: these three functions, and no access to the objects behind them. */
  get forHandler(): HandlerTransaction {
    return Object.freeze({
      query: (text: string, values?: readonly unknown[]) => this.#query(text, values),
      savepoint: <T>(work: () => Promise<T>) => heard(this.#savepoint(work)),
      emit: (event: HandledEvent, message: OutboxMessage) => this.#emit(event, message),
    });
  }

  /** The first SQL error that was not undone by a savepoint. */
  get failure(): unknown {
    return this.#failure;
  }

  #query(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    const why =
      typeof text === 'string' ? whyForbidden(text) : 'The text of a statement must be a string';
    if (why !== null) return Promise.reject(new Error(why));
    const misuse = this.#misuseBy('tx.query()');
    return misuse === null ? this.#run(text, values) : heard(Promise.reject(misuse));
  }

  /** Whether a call comes from beside the savepoint that is under way, or from one that ended. */
  #misuseBy(call: string): UnawaitedError | null {
    if (this.#closed || this.#savepoints.isCalledFromInnermost()) return null;
    const misuse = new UnawaitedError(`It called ${call} beside a savepoint, or after its end`);
    this.#misuse ??= misuse;
    return misuse;
  }

  async #savepoint<T>(work: () => Promise<T>): Promise<T> {
    const misuse = this.#misuseBy('tx.savepoint()');
    if (misuse !== null) throw misuse;
    const emitted = this.#emitted.length;
    const savepoint = this.#savepoints.open();
    const undoing = async () => {
      try {
        const value = await workIn(savepoint, work);
        if (this.#savepoints.isInnermost(savepoint)) return value;
        this.#misuse ??= new UnawaitedError('It left a savepoint with another one open in it');
        throw this.#misuse;
      } catch (error) {
        this.#failure = undefined;
        this.#emitted.length = emitted;
        throw error;
      }
    };
    try {
      const attempt = await inSavepoint((text) => this.#run(text), undoing, savepoint.name);
      if ('failure' in attempt) throw attempt.failure;
      return attempt.value;
    } finally {
      this.#savepoints.close(savepoint);
    }
  }

  #emit({ eventId }: HandledEvent, message: OutboxMessage): void {
    if (this.#closed) throw hasEnded();
    const misuse = this.#misuseBy('tx.emit()');
    if (misuse !== null) throw misuse;
    this.#eventIds ??= new Set(this.#options.events.map((event) => event.eventId));
    // For an event of another batch, the message's number would be wrong, and its id already used.
    if (!this.#eventIds.has(eventId)) {
      throw new Error(`A message must be about an event of this batch, not about ${eventId}`);
    }
    const trace = this.#options.traces.get(eventId);
    // A copy, like those of key and value below: the handler may use the object again.
    const given = { ...message, headers: { ...message.headers } };
    const { topic, key, value, headers = {} } = withTrace(given, trace);
    const why = whyUnpublishable(given);
    if (why !== null) throw new TerminalError(`A message cannot be emitted: ${why}`);
    this.#emitted.push({
      eventId,
      handler: this.#options.handler,
      topic,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers,
    });
  }

  /**
   * The messages, numbered per event. Only now, since messages that a savepoint undid must not
   * count.
   */
  #messages(): EmittedMessage[] {
    const counts = new Map<string, number>();
    return this.#emitted.map((message) => {
      const n = counts.get(message.eventId) ?? 0;
      counts.set(message.eventId, n + 1);
      return { ...message, n };
    });
  }

  #run(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    if (this.#closed) return Promise.reject(hasEnded());
    const running = this.#send(text, values);
    this.#underWay.set(running, text);
    const ended = running.finally(() => this.#underWay.delete(running));
    // finish() reports the failure. A handler that does not await it must not end the process.
    return heard(ended);
  }

  async #send(text: string, values: readonly unknown[]): Promise<QueryResult> {
    try {
      const query = { text, values: settledParameters(values), queryMode: 'extended' };
      this.#entered ??= enterHandler(this.#tx, readThrown(this.#options.handler).message);
      await this.#entered;
      const { rows, rowCount } = await this.#tx.query(query as never);
      return { rows, rowCount: rowCount ?? 0 };
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  /**
   * Ends the handler's access, and then writes the messages that it emitted.
   * @throws UnawaitedError; the SQL error that the handler caught; an Error that names what it
   * changed in session or transaction.
   */
  async finish(): Promise<void> {
    this.#closed = true;
    const [text] = this.#underWay.values();
    if (text !== undefined || this.#savepoints.isAnyOpen) {
      await this.#settle();
      const what = text === undefined ? 'a savepoint' : `"${text.trim().slice(0, 100)}"`;
      const message = `It returned while ${what} was still under way`;
      throw new UnawaitedError(message, { cause: this.#failure });
    }
    const failure = this.#misuse ?? this.#failure;
    if (failure !== undefined) throw failure;
    if (this.#entered !== undefined) {
      const changed = await leaveHandler(this.#tx, await this.#entered);
      if (changed.length > 0) {
        throw new Error(`It changed what belongs to Orderonce: ${changed.join(', ')}`);
      }
    }
    await insertMessages(this.#tx, this.#messages());
  }

  /**
   * Ends the access of a handler that failed. Resolves when none of its statements is under way.
   */
  async abandon(): Promise<void> {
    this.#closed = true;
    await this.#settle();
  }

  async #settle(): Promise<void> {
    if (this.#underWay.size === 0) return;
    const settled = Promise.allSettled(this.#underWay.keys());
    const isSoon = await Promise.race([settled, pause(SETTLE_MS).then(() => null)]);
    if (isSoon !== null) return;
    await this.#options.cancel();
    await settled;
  }
}

function hasEnded(): Error {
  return new Error('The handler has ended, so its transaction can no longer be used');
}

/** Marks a promise's rejection as handled. It is reported elsewhere, even if nobody awaits it. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
