/**
 * The proof of completeness: for each partition every offset from its start to its position has
 * exactly one outcome, and the effects are what the stored events add up to. On one snapshot, so
 * it can run beside consumers at work. By the tables alone it proves what they say of the log; with
 * a reader it compares them with the log itself, record by record.
 */
import type { Handler } from '../handlers/handler.ts';
import type { LogReader } from '../log/event-log.ts';
import {
  allowLargeSorts,
  ask,
  findOffsetFindings,
  judgeReceipts,
  type OffsetFinding,
  type PartitionAccount,
  QUESTIONS,
  type Receipt,
  type ReceiptVerdict,
  type RowFinding,
  readAccounts,
} from '../store/account-queries.ts';
import { assertOrders } from '../store/assert-migrated.ts';
import type { HandlersIdentity } from '../store/deployment-handlers.ts';
import type { Pool } from '../store/pool.ts';
import { inSnapshot } from '../store/transaction.ts';
import { compareWithLog, type LogComparison } from './against-log.ts';
import { checkHandlers, type HandlerVerdict } from './handler-checks.ts';

export type ReceiptFinding = Receipt & { readonly verdict: ReceiptVerdict };

export type Verdict = {
  readonly isProven: boolean;
  readonly partitions: readonly PartitionAccount[];
  /** What contradicts the account; FINDINGS_MAX of each kind at most. */
  readonly offsets: readonly OffsetFinding[];
  readonly rows: readonly RowFinding[];
  readonly receipts: Readonly<Record<ReceiptVerdict, number>> | null;
  readonly missing: readonly ReceiptFinding[];
  readonly handlers: readonly HandlerVerdict[];
  /** null where the log was not asked. */
  readonly log: LogComparison | null;
};

export type VerifyOptions = {
  readonly topic: string;
  /** In pieces, so that a file of any size takes little memory; null where none are given. */
  readonly receipts: AsyncIterable<readonly Receipt[]> | null;
  readonly handlers: readonly Handler[];
  /** Whose they are: compared with what the deployment runs. Without it, by their names alone. */
  readonly identity?: HandlersIdentity | undefined;
  /** ORDERS_PROJECTION=off: then nothing is asked of `orders`. */
  readonly withoutOrders?: boolean | undefined;
  /** Its records are compared with the tables; null to ask the tables alone. */
  readonly reader: LogReader | null;
  /** Told of each step as it begins. */
  readonly onStep: (done: number, of: number, what: string) => void;
};

const MISSING_MAX = 1000;
/** A question over a large database may take long, and so may reading a log between two. */
const LIMITS = { lockMs: 0, statementMs: 0, idleMs: 0 };

export async function verify(pool: Pool, options: VerifyOptions): Promise<Verdict> {
  const { topic, receipts, handlers, identity, reader, withoutOrders = false, onStep } = options;
  const questions = QUESTIONS.filter((q) => !(withoutOrders && q.isOfOrders));
  const steps = questions.length + 3 + (receipts === null ? 0 : 1) + (reader === null ? 0 : 1);
  if (!withoutOrders) await assertOrders(pool);
  return await inSnapshot(pool, LIMITS, async (tx) => {
    await allowLargeSorts(tx);
    onStep(0, steps, 'counting');
    const partitions = await readAccounts(tx);
    onStep(1, steps, 'offsets');
    const offsets = await findOffsetFindings(tx);
    const rows: RowFinding[] = [];
    for (const [index, question] of questions.entries()) {
      onStep(2 + index, steps, question.kind);
      rows.push(...(await ask(tx, question)));
    }
    onStep(2 + questions.length, steps, 'handlers');
    const ofHandlers = await checkHandlers(tx, handlers, identity ?? null);
    const counts = { accounted: 0, pending: 0, unprovable: 0, missing: 0 };
    const missing: ReceiptFinding[] = [];
    if (receipts !== null) onStep(3 + questions.length, steps, 'receipts');
    for await (const piece of receipts ?? []) {
      const verdicts = await judgeReceipts(tx, topic, piece);
      for (const [index, verdict] of verdicts.entries()) {
        counts[verdict]++;
        if (verdict !== 'missing' || missing.length >= MISSING_MAX) continue;
        missing.push({ ...(piece[index] as Receipt), verdict });
      }
    }
    const onProgress = (done: number, of: number) =>
      onStep(steps - 1, steps, `log: ${done} of ${of} offsets`);
    const log = reader && (await compareWithLog(tx, reader, onProgress));
    onStep(steps, steps, 'done');
    const isProven =
      offsets.length === 0 &&
      rows.length === 0 &&
      counts.missing === 0 &&
      (log?.findings ?? []).length === 0 &&
      ofHandlers.every(({ verdict }) => verdict === 'proven' || verdict === 'not checked');
    return {
      isProven,
      partitions,
      offsets,
      rows,
      receipts: receipts && counts,
      missing,
      handlers: ofHandlers,
      log,
    };
  });
}
