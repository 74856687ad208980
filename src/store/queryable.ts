/** What our statements are sent to. Types alone, so that pool.ts may build on whoever uses them. */
import type pg from 'pg';

/** One connection inside a transaction. */
export type Transaction = pg.ClientBase;
/** Anything that can run one statement in a transaction of its own, or in the caller's. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
