import pg from 'pg';
import { findSchemas, onlySchema, USUAL_SCHEMA } from './schema.ts';
import { clientClass, SchemaName } from './statements.ts';
import { inTransaction, type TransactionLimits } from './transaction.ts';

export type StorePoolOptions = {
  /** Where the tables are; undefined to look for them. */
  readonly schema: string | undefined;
  readonly prepares: boolean;
  /** Of a statement that runs by itself. */
  readonly limits: TransactionLimits;
};

/**
 * A pool that knows the schema of our tables, and whose every statement runs in a transaction that
 * says its own isolation and limits: whatever role and database set, and whoever had the session
 * before behind a pooler.
 */
export class StorePool extends pg.Pool {
  readonly #schema: SchemaName;
  readonly #limits: TransactionLimits;
  #isKnown: boolean;
  #search: Promise<void> | undefined;

  constructor({ schema, prepares, limits }: StorePoolOptions, options: pg.PoolConfig) {
    const name = new SchemaName(schema ?? USUAL_SCHEMA);
    super({ ...options, Client: clientClass(name, prepares) });
    this.#schema = name;
    this.#limits = limits;
    this.#isKnown = schema !== undefined;
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

  // Of the driver's overloads nobody here uses the one with a callback.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  override async connect(): Promise<any> {
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
  // biome-ignore lint/suspicious/noExplicitAny: the driver's overloads, see above
  override async query(text: any, values?: any): Promise<any> {
    return await inTransaction(this, this.#limits, (tx) => tx.query(text, values));
  }
}
