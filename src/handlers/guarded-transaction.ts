import { type EmittedMessage, type OutboxMessage, whyUnpublishable } from '../outbox/message.ts';
import { insertMessages } from '../store/outbox.ts';
import type { Transaction } from '../store/pool.ts';
import {
  type HandledEvent,
  type HandlerTransaction,
  type QueryResult,
  TerminalError,
} from './handler.ts';

/** Statements that would end the transaction, begin another, or reach past it. */
const FORBIDDEN =
  /^(abort|begin|commit|deallocate|discard|end|listen|notify|prepare|release|reset|rollback|savepoint|set|start|unlisten)\b/i;
const COMMENTS_AND_SPACE = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()+/;

/**
 * A handler's door to the transaction. Each statement travels by the extended protocol, which
 * takes one statement only, so its first word decides whether it may pass. (A procedure or DO
 * block that commits fails by itself inside a transaction block: PostgreSQL manual, 43.8.)
 *
 * An SQL error aborts the whole transaction, whether or not the handler catches it; finish() says
 * so before COMMIT would be answered ROLLBACK.
 */
export class GuardedTransaction implements HandlerTransaction {
  readonly #tx: Transaction;
  readonly #handler: string;
  readonly #events: readonly HandledEvent[];
  /** Made when the first message comes. */
  #eventIds: ReadonlySet<string> | undefined;
  readonly #emitted: Omit<EmittedMessage, 'n'>[] = [];
  readonly #underWay = new Set<Promise<unknown>>();
  #failure: unknown;
  #depth = 0;
  #closed = false;

  constructor(tx: Transaction, handler: string, events: readonly HandledEvent[] = []) {
    this.#tx = tx;
    this.#handler = handler;
    this.#events = events;
  }

  /** The first SQL error that no savepoint undid. */
  get failure(): unknown {
    return this.#failure;
  }

  async query(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    const bare = text.replace(COMMENTS_AND_SPACE, '');
    if (FORBIDDEN.test(bare)) {
      throw new Error(
        `A handler must not run "${bare.slice(0, 30)}": the transaction is not its own`,
      );
    }
    return await this.#run(text, values);
  }

  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    const name = `handler_${++this.#depth}`;
    const emitted = this.#emitted.length;
    await this.#run(`SAVEPOINT ${name}`);
    try {
      const result = await work();
      await this.#run(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      this.#failure = undefined;
      this.#emitted.length = emitted;
      await this.#run(`ROLLBACK TO SAVEPOINT ${name}`);
      await this.#run(`RELEASE SAVEPOINT ${name}`);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  emit({ eventId }: HandledEvent, message: OutboxMessage): void {
    if (this.#closed) throw new Error('The handler has ended, and its transaction with it');
    this.#eventIds ??= new Set(this.#events.map((event) => event.eventId));
    // Its number among the event's messages would be wrong, and its id one that is taken.
    if (!this.#eventIds.has(eventId)) {
      throw new Error(`A message must be about an event of this batch, not about ${eventId}`);
    }
    const why = whyUnpublishable(message);
    if (why !== null) throw new TerminalError(`A message cannot be emitted: ${why}`);
    const { topic, key, value, headers = {} } = message;
    this.#emitted.push({
      eventId,
      handler: this.#handler,
      topic,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers,
    });
  }

  /** Counted only now: what a savepoint undid must not leave a gap. */
  #messages(): EmittedMessage[] {
    const counts = new Map<string, number>();
    return this.#emitted.map((message) => {
      const n = counts.get(message.eventId) ?? 0;
      counts.set(message.eventId, n + 1);
      return { ...message, n };
    });
  }

  async #run(text: string, values: readonly unknown[] = []): Promise<QueryResult> {
    if (this.#closed) throw new Error('The handler has ended, and its transaction with it');
    const running = this.#tx.query({ text, values: [...values], queryMode: 'extended' } as never);
    this.#underWay.add(running);
    try {
      const { rows, rowCount } = await running;
      return { rows, rowCount: rowCount ?? 0 };
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /**
   * Ends the handler's turn: nothing passes any more. Writes what it emitted, after all of its own.
   * @throws the SQL error that the handler swallowed, or that a statement met which it did not wait for.
   */
  async finish(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    this.close();
    if (this.#failure !== undefined) throw this.#failure;
    await insertMessages(this.#tx, this.#messages());
  }

  close(): void {
    this.#closed = true;
  }
}
