import type pg from 'pg';
import { findSchemas, onlySchema } from './schema.ts';
import { SessionPool, type SessionPoolOptions } from './session-pool.ts';
import type { SchemaName } from './statements.ts';
import { inTransaction, type TransactionLimits } from './transaction.ts';

export type StorePoolOptions = {
  /** The schema of the tables, which all sessions of the pool share. */
  readonly schema: SchemaName;
  /** Whether `schema` has the right name. If not, the pool looks for the tables. */
  readonly isKnown: boolean;
  /** Limits of a statement that runs outside of a transaction of the caller. */
  readonly limits: TransactionLimits;
};

/**
 * A pool that knows the schema of our tables. Each of its statements runs in a transaction that
 * sets its own isolation and limits. So neither settings of role and database nor other users of a
 * pooler's session affect it.
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

  /** The name of the schema, from the settings or as it was found; undefined if not known yet. */
  get schema(): string | undefined {
    return this.#isKnown ? this.#schema.name : undefined;
  }

  /** @param name the schema in which `migrate` has created the tables. */
  useSchema(name: string): void {
    this.#schema.name = name;
    this.#isKnown = true;
  }

  override async connect(): Promise<pg.PoolClient> {
    if (!this.#isKnown) this.#search ??= this.#findSchema();
    await this.#search;
    return await super.connect();
  }

  /** Looks for the tables, once per pool; again at the next connection if there are none yet. */
  async #findSchema(): Promise<void> {
    try {
      const connector = { connect: () => super.connect() };
      const found = onlySchema(await inTransaction(connector, this.#limits, findSchemas));
      if (found !== null) this.useSchema(found);
    } finally {
      this.#search = undefined;
    }
  }

  /** Runs one statement in a transaction of its own. */
  override readonly query = (async (text: string, values?: unknown[]) => {
    return await inTransaction(this, this.#limits, (tx) => tx.query(text, values));
  }) as pg.ClientBase['query'];
}
