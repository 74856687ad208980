/** Lists of the records that repeat an event: duplicates and conflicts. */
import type { EventRules } from '../event/event-rules.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { Operation } from '../runtime/operation.ts';
import { listConflicts } from '../store/conflicts.ts';
import { countDuplicates, listDuplicates } from '../store/duplicates.ts';
import type { LedgerFilter, LedgerRow } from '../store/ledger.ts';
import { placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import { cursorText, pageOf, wrongCursor } from './page.ts';
import { idParameters } from './path-id.ts';
import { differencesOf } from './payload-differences.ts';
import { readQuery } from './query-string.ts';
import {
  COUNT_DUPLICATES,
  LIST_CONFLICTS,
  LIST_DUPLICATES,
  OF_LEDGER,
} from './repeat-operations.ts';

const LIMIT = 100;

/** Adds the routes that list duplicates and conflicts. They only read. */
export function addLedgerRoutes(app: HttpServer, db: Queryable, rules: EventRules): void {
  const parameters = { ...OF_LEDGER, event_id: idParameters(rules).event_id };
  addList(app, '/duplicates', LIST_DUPLICATES, parameters, (filter) => listDuplicates(db, filter));
  addList(app, '/conflicts', LIST_CONFLICTS, parameters, async (filter) =>
    (await listConflicts(db, filter)).map((row) => ({ ...row, differs: differencesOf(row) })),
  );
  app.get('/duplicates/sources', { config: { operation: COUNT_DUPLICATES } }, async () => {
    const { items, isCapped } = await countDuplicates(db);
    return { items, is_capped: isCapped };
  });
}

function addList(
  app: HttpServer,
  url: string,
  operation: Operation,
  parameters: typeof OF_LEDGER,
  list: (filter: LedgerFilter) => Promise<LedgerRow[]>,
): void {
  app.get(url, { config: { operation } }, async (request, reply) => {
    const query = readQuery(request.url, parameters);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { event_id: eventId, sort = 'newest', after, limit = LIMIT, source } = query.values;
    const wrong = wrongCursor(sort, after);
    if (wrong !== null) return sendDetail(reply, 422, [wrong]);
    const rows = await list({ source, eventId, sort, after, limit });
    const itemOf = (row: LedgerRow) => {
      const { logId, ...item } = row;
      return { place: placeText(row), log_id: logId, ...item };
    };
    return reply.send(pageOf(rows, limit, itemOf, (row) => cursorText(sort, row.seen_at, row)));
  });
}
