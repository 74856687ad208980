/**
 * To what our statements are sent. These types have a file of their own, so that pool.ts can import
 * files that use them without a circle.
 */
import type pg from 'pg';

/** One connection inside a transaction. */
export type Transaction = pg.ClientBase;
/** Runs a statement: a pool in a transaction of its own, a Transaction in the caller's. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
