/** Statements that may take as long as they need, such as those of migrations. */
import type pg from 'pg';
import type { TransactionLimits } from './transaction.ts';

/** No limit on the server. */
export const UNLIMITED: TransactionLimits = { lockMs: 0, statementMs: 0, idleMs: 0 };

/** The limit of the client has to be some number. A dead server is noticed by TCP's keep-alive. */
const DAY_MS = 86_400_000;

/**
 * The statement without the client's usual limit, which would leave it running on the server with
 * its locks. As an object, the text is sent as it is: statements.ts puts no schema into it.
 */
export function long(text: string): pg.QueryConfig {
  return { text, query_timeout: DAY_MS } as pg.QueryConfig;
}
