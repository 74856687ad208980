/**
 * Whether the stored id of each event is that of the text that was sent. The digest is over the
 * stored ids, so it does not show a changed text. PostgreSQL has no SHA-1, so this is not SQL.
 */
import type { DeclaredEvents } from '../event/declared-events.ts';
import { uuidV5 } from '../event/uuid-v5.ts';
import { FINDINGS_MAX } from '../store/account-queries.ts';
import type { Scope } from '../store/account-scope.ts';
import { readSentIds } from '../store/event-data.ts';
import type { Transaction } from '../store/queryable.ts';
import type { RowFinding } from '../store/questions.ts';

/**
 * @param ids the declared namespaces; ids of a property without one are not checked.
 * @returns the contradictions in the scope, at most FINDINGS_MAX.
 */
export async function checkSentIds(
  tx: Transaction,
  scope: Scope,
  ids: DeclaredEvents['ids'],
): Promise<RowFinding[]> {
  const { eventId: ofEvents, orderId: ofOrders } = ids;
  if (ofEvents === undefined && ofOrders === undefined) return [];
  const findings: RowFinding[] = [];
  for await (const row of readSentIds(tx, scope)) {
    const fits =
      isIdOf(row.eventId, row.sentEventId, ofEvents) &&
      isIdOf(row.orderId, row.sentOrderId, ofOrders);
    if (fits) continue;
    const message = 'the text of its event_id or order_id is not the one that was sent';
    const evidence = `${row.sentEventId} ${row.sentOrderId}`;
    findings.push({ kind: 'altered', id: row.eventId, message, evidence });
    if (findings.length === FINDINGS_MAX) break;
  }
  return findings;
}

function isIdOf(stored: string, sent: string | null, namespace: string | undefined): boolean {
  return sent === null || namespace === undefined || uuidV5(namespace, sent) === stored;
}
