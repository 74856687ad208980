import { reasonOf } from '../errors.ts';
import { whyForbidden } from '../handlers/forbidden-statements.ts';
import type { Handler } from '../handlers/handler.ts';
import { type HandlersIdentity, readDeployedHandlers } from '../store/deployment-handlers.ts';
import type { Transaction } from '../store/queryable.ts';
import { inSavepoint } from '../store/transaction.ts';

/** The result of one handler's check. */
export type HandlerVerdict = {
  /** The handler's name. */
  readonly handler: string;
  /**
   * `not checked`: the handler exports no check, so its tables are neither proven nor contradicted.
   * `not run`: the deployment runs it with a check, and that check did not run here.
   */
  readonly verdict: 'proven' | 'contradicted' | 'not checked' | 'not run';
  /** What contradicts its tables; at most FINDINGS_MAX. */
  readonly findings: readonly string[];
  /** For `not run`: the HANDLERS_MODULE of the deployment, or null if it has none. */
  readonly module?: string | null;
};

const FINDINGS_MAX = 1000;

/**
 * Runs the check of each handler on the caller's snapshot. A check that throws counts as
 * contradicted. A check of another version than the deployment runs cannot prove anything, but what
 * it contradicts is reported.
 *
 * @param here the identity of `handlers`; null if it is unknown, then only names are compared.
 */
export async function checkHandlers(
  tx: Transaction,
  handlers: readonly Handler[],
  here: HandlersIdentity | null,
): Promise<HandlerVerdict[]> {
  const deployed = await readDeployedHandlers(tx);
  const isSame = here === null || deployed === null || here.digest === deployed.digest;
  const checked = (deployed?.handlers ?? []).filter(({ hasCheck }) => hasCheck);
  const verdicts: HandlerVerdict[] = [];
  for (const handler of handlers) {
    const verdict = await checkHandler(tx, handler);
    const isOther = !isSame && checked.some(({ name }) => name === handler.name);
    const provesNothing = isOther && verdict.verdict !== 'contradicted';
    verdicts.push(provesNothing ? notRun(handler.name, deployed) : verdict);
  }
  const names = new Set(handlers.map(({ name }) => name));
  const absent = checked.filter(({ name }) => !names.has(name));
  return [...verdicts, ...absent.map(({ name }) => notRun(name, deployed))];
}

function notRun(handler: string, deployed: HandlersIdentity | null): HandlerVerdict {
  return { handler, verdict: 'not run', findings: [], module: deployed?.module ?? null };
}

async function checkHandler(tx: Transaction, handler: Handler): Promise<HandlerVerdict> {
  const { name } = handler;
  if (handler.check === undefined) {
    return { handler: name, verdict: 'not checked', findings: [] };
  }
  const query = async (text: string, values: readonly unknown[] = []) => {
    const why = whyForbidden(text);
    if (why !== null) throw new Error(why);
    // The extended protocol allows one statement only. A second one could end the snapshot.
    const query = { text, values: [...values], queryMode: 'extended' } as never;
    const { rows, rowCount } = await tx.query(query);
    return { rows, rowCount: rowCount ?? 0 };
  };
  const attempt = await inSavepoint(
    (text) => tx.query(text),
    async () => (await handler.check?.({ query }))?.slice(0, FINDINGS_MAX) ?? [],
  );
  const findings =
    'failure' in attempt ? [`The check failed: ${reasonOf(attempt.failure)}`] : attempt.value;
  const verdict = findings.length === 0 ? 'proven' : 'contradicted';
  return { handler: name, verdict, findings };
}
