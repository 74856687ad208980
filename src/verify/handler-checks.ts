import { reasonOf } from '../errors.ts';
import type { Handler } from '../handlers/handler.ts';
import type { Transaction } from '../store/pool.ts';

export type HandlerVerdict = {
  readonly handler: string;
  /** `not checked`: it exports no check, so nothing is said of its tables. */
  readonly verdict: 'proven' | 'contradicted' | 'not checked';
  /** FINDINGS_MAX at most. */
  readonly findings: readonly string[];
};

const FINDINGS_MAX = 1000;

/** Asks each handler about its own tables, on the caller's snapshot. One that fails proves nothing. */
export async function checkHandlers(
  tx: Transaction,
  handlers: readonly Handler[],
): Promise<HandlerVerdict[]> {
  const verdicts: HandlerVerdict[] = [];
  for (const handler of handlers) verdicts.push(await checkHandler(tx, handler));
  return verdicts;
}

async function checkHandler(tx: Transaction, handler: Handler): Promise<HandlerVerdict> {
  const { name } = handler;
  if (handler.check === undefined) {
    return { handler: name, verdict: 'not checked', findings: [] };
  }
  const query = async (text: string, values: readonly unknown[] = []) => {
    // One statement only: a second one could end the snapshot.
    const query = { text, values: [...values], queryMode: 'extended' } as never;
    const { rows, rowCount } = await tx.query(query);
    return { rows, rowCount: rowCount ?? 0 };
  };
  await tx.query('SAVEPOINT handler_check');
  try {
    const findings = (await handler.check({ query })).slice(0, FINDINGS_MAX);
    const verdict = findings.length === 0 ? 'proven' : 'contradicted';
    return { handler: name, verdict, findings };
  } catch (error) {
    await tx.query('ROLLBACK TO SAVEPOINT handler_check');
    const findings = [`The check failed: ${reasonOf(error)}`];
    return { handler: name, verdict: 'contradicted', findings };
  } finally {
    await tx.query('RELEASE SAVEPOINT handler_check');
  }
}
