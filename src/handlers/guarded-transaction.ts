import type { Transaction } from '../store/pool.ts';
import type { HandlerTransaction, QueryResult } from './handler.ts';

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
  readonly #underWay = new Set<Promise<unknown>>();
  #failure: unknown;
  #depth = 0;
  #closed = false;

  constructor(tx: Transaction) {
    this.#tx = tx;
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
    await this.#run(`SAVEPOINT ${name}`);
    try {
      const result = await work();
      await this.#run(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      this.#failure = undefined;
      await this.#run(`ROLLBACK TO SAVEPOINT ${name}`);
      await this.#run(`RELEASE SAVEPOINT ${name}`);
      throw error;
    } finally {
      this.#depth--;
    }
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
   * Ends the handler's turn: nothing passes any more.
   * @throws the SQL error that the handler swallowed, or that a statement met which it did not wait for.
   */
  async finish(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    this.close();
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#closed = true;
  }
}
