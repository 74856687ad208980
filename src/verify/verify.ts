/**
 * The proof of completeness (G3): in each partition, every offset from its start to its position
 * has exactly one outcome, and the effects are what the stored events add up to. It reads one
 * snapshot, so consumers may work at the same time. From the tables alone it proves that they are
 * consistent. With a reader it also compares them with the log, record by record.
 */

import type { Handler } from '../handlers/handler.ts';
import type { RecordRules } from '../log/decode-hook.ts';
import type { LogReader } from '../log/event-log.ts';
import { findOffsetFindings, type OffsetFinding } from '../store/account-queries.ts';
import { allowLargeSorts, ask } from '../store/account-questions.ts';
import { WHOLE, withoutData } from '../store/account-scope.ts';
import { assertOrders } from '../store/assert-migrated.ts';
import type { HandlersIdentity } from '../store/deployment-handlers.ts';
import { hasTypedEvents } from '../store/event-data.ts';
import { UNLIMITED } from '../store/long-statements.ts';
import type { Projection } from '../store/orders-projection.ts';
import { type PartitionAccount, readAccounts } from '../store/partition-accounts.ts';
import type { Pool } from '../store/pool.ts';
import type { RowFinding } from '../store/questions.ts';
import { judgeReceipts, type Receipt, type ReceiptVerdict } from '../store/receipts.ts';
import { inSnapshot } from '../store/transaction.ts';
import { compareWithLogs, type LogComparison } from './against-log.ts';
import { questionsOf } from './examine.ts';
import { checkHandlers, type HandlerVerdict } from './handler-checks.ts';
import { checkSentIds } from './sent-ids.ts';
import { checkRecordedTypes, checkTypedEvents } from './typed-events.ts';

/** A receipt that was judged. */
export type ReceiptFinding = Receipt & { readonly verdict: ReceiptVerdict };

/** The result of `verify`. */
export type Verdict = {
  /**
   * Whether nothing contradicts the account and every check of a handler was run. Handlers without
   * a check do not count.
   */
  readonly isProven: boolean;
  readonly partitions: readonly PartitionAccount[];
  /** What contradicts the account; at most FINDINGS_MAX of each kind. */
  readonly offsets: readonly OffsetFinding[];
  readonly rows: readonly RowFinding[];
  /** How many typed events have their digest, but could not be compared with their type's schema. */
  readonly undeclaredTypes: number;
  /** How many receipts have each verdict; null if none were given. */
  readonly receipts: Readonly<Record<ReceiptVerdict, number>> | null;
  /** The receipts with the verdict `missing`; at most MISSING_MAX. */
  readonly missing: readonly ReceiptFinding[];
  readonly handlers: readonly HandlerVerdict[];
  /** null if no reader was given. */
  readonly log: LogComparison | null;
};

export type VerifyOptions = {
  readonly topic: string;
  /** The receipts to judge, in chunks; null if there are none. */
  readonly receipts: AsyncIterable<readonly Receipt[]> | null;
  readonly handlers: readonly Handler[];
  /** Identity of `handlers`, compared with that of the deployment. Without it only names are. */
  readonly identity?: HandlersIdentity | undefined;
  readonly rules: RecordRules;
  /** null (ORDERS_PROJECTION=off): the table `orders` is not examined. */
  readonly projection: Projection | null;
  /** Its records are compared with the tables; null to examine only the tables. */
  readonly reader: LogReader | null;
  /** Those of other topics, which are compared as well. */
  readonly foreignReaders?: readonly LogReader[];
  /** Called as each step begins. */
  readonly onStep: (done: number, of: number, what: string) => void;
};

const MISSING_MAX = 1000;

/**
 * Verifies the account. A contradiction is a result, not an error.
 * @throws NOT_MIGRATED if the table `orders` is missing although it is needed; LOG_UNAVAILABLE.
 */
export async function verify(pool: Pool, options: VerifyOptions): Promise<Verdict> {
  const { topic, receipts, handlers, identity, reader, rules, projection, onStep } = options;
  const readers = reader === null ? [] : [reader, ...(options.foreignReaders ?? [])];
  const questions = questionsOf(projection);
  const steps = questions.length + 4 + (receipts === null ? 0 : 1) + readers.length;
  if (projection !== null) await assertOrders(pool);
  return await inSnapshot(pool, UNLIMITED, async (tx) => {
    await allowLargeSorts(tx);
    onStep(0, steps, 'counting');
    const partitions = await readAccounts(tx);
    onStep(1, steps, 'offsets');
    const offsets = await findOffsetFindings(tx, WHOLE);
    const scope = (await hasTypedEvents(tx)) ? WHOLE : withoutData(WHOLE);
    const rows: RowFinding[] = [];
    for (const [index, question] of questions.entries()) {
      onStep(2 + index, steps, question.label);
      rows.push(...(await ask(tx, scope, question)));
    }
    onStep(2 + questions.length, steps, 'event types');
    const typed = await checkTypedEvents(tx, WHOLE, rules.declared);
    rows.push(...(await checkRecordedTypes(tx)), ...typed.findings);
    rows.push(...(await checkSentIds(tx, WHOLE, rules.declared?.ids ?? {})));
    onStep(3 + questions.length, steps, 'handlers');
    const ofHandlers = await checkHandlers(tx, handlers, identity ?? null);
    const counts = { accounted: 0, pending: 0, unprovable: 0, missing: 0 };
    const missing: ReceiptFinding[] = [];
    if (receipts !== null) onStep(4 + questions.length, steps, 'receipts');
    for await (const chunk of receipts ?? []) {
      const verdicts = await judgeReceipts(tx, topic, chunk);
      for (const [index, verdict] of verdicts.entries()) {
        counts[verdict]++;
        if (verdict !== 'missing' || missing.length >= MISSING_MAX) continue;
        missing.push({ ...(chunk[index] as Receipt), verdict });
      }
    }
    const onProgress = (done: number, of: number) =>
      onStep(steps - 1, steps, `log: ${done} of ${of} offsets`);
    const log =
      readers.length === 0 ? null : await compareWithLogs(tx, { readers, rules }, onProgress);
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
      undeclaredTypes: typed.undeclared,
      receipts: receipts && counts,
      missing,
      handlers: ofHandlers,
      log,
    };
  });
}
