import type pg from 'pg';
import { findSchemas, onlySchema } from './schema.ts';
import { SessionPool, type SessionPoolOptions } from './session-pool.ts';
import type { SchemaName } from './statements.ts';
import { inTransaction, type TransactionLimits } from './transaction.ts';

export type StorePoolOptions = {
  /** Where the tables are; that of all sessions of the pool. */
  readonly schema: SchemaName;
  /** Otherwise they are looked for. */
  readonly isKnown: boolean;
  /** Of a statement that runs by itself. */
  readonly limits: TransactionLimits;
};

/**
 * A pool that knows the schema of our tables, and whose every statement runs in a transaction that
 * says its own isolation and limits: whatever role and database set, and whoever had the session
 * before behind a pooler.
 */
export class StorePool extends SessionPool {
  readonly #schema: SchemaName;
  readonly #limits: TransactionLimits;
  #isKnown: boolean;
  #search: Promise<void> | undefined;

  constructor({ schema, isKnown, limits }: StorePoolOptions, options: SessionPoolOptions) {
    super(options);
    this.#schema = schema;
    this.#limits = limits;
    this.#isKnown = isKnown;
  }

  /** The schema as the settings give it, or as it was found; undefined while neither is so. */
  get schema(): string | undefined {
    return this.#isKnown ? this.#schema.name : undefined;
  }

  /** @param name where "migrate" has just made the tables. */
  useSchema(name: string): void {
    this.#schema.name = name;
    this.#isKnown = true;
  }

  override async connect(): Promise<pg.PoolClient> {
    if (!this.#isKnown) this.#search ??= this.#findSchema();
    await this.#search;
    return await super.connect();
  }

  /** Once per pool; again at the next connection while the tables are not there yet. */
  async #findSchema(): Promise<void> {
    try {
      const connector = { connect: () => super.connect() };
      const found = onlySchema(await inTransaction(connector, this.#limits, findSchemas));
      if (found !== null) this.useSchema(found);
    } finally {
      this.#search = undefined;
    }
  }

  /** One statement in a transaction of its own. */
  override readonly query = (async (text: string, values?: unknown[]) => {
    return await inTransaction(this, this.#limits, (tx) => tx.query(text, values));
  }) as pg.ClientBase['query'];
}
