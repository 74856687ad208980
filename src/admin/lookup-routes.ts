/** `GET /find` and `GET /events/{event_id}/history`. */
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { headOfQueue } from '../store/dead-letter-queue.ts';
import { isCut, readEventRows } from '../store/event-history.ts';
import { placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import { historyOf, statusOf } from './event-history.ts';
import { type FindSources, find } from './find.ts';
import { FIND, GET_HISTORY, OF_FIND } from './lookup-operations.ts';
import { storedIdFrom } from './path-id.ts';
import { readQuery } from './query-string.ts';

const UNKNOWN =
  'Unknown: no event with this event_id has been processed. GET /find?q=... also looks for orders, ' +
  'requests and messages.';

/** Adds the routes. */
export function addLookupRoutes(
  app: HttpServer,
  db: Queryable,
  sources: FindSources,
  messageIdsOf: (eventId: string) => Promise<readonly string[]>,
): void {
  app.get('/find', { config: { operation: FIND } }, async (request, reply) => {
    const query = readQuery(request.url, OF_FIND);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { q } = query.values;
    if (q === undefined) {
      const missing = { type: 'missing', loc: ['query', 'q'], msg: 'Field required', input: null };
      return sendDetail(reply, 422, [missing]);
    }
    const found = await find(sources, q);
    if (found !== null) return reply.send({ q, ...found });
    const msg = 'Input should be a UUID, or a place such as 1/3/41, order_events/3/41 or 3/41';
    return sendDetail(reply, 422, [{ type: 'find_parsing', loc: ['query', 'q'], msg, input: q }]);
  });
  app.get<{ Params: { event_id: string } }>(
    '/events/:event_id/history',
    { config: { operation: GET_HISTORY } },
    async (request, reply) => {
      const id = storedIdFrom(reply, 'event_id', request.params.event_id, sources.rules);
      if (id === null) return reply;
      const rows = await readEventRows(db, id, await messageIdsOf(id));
      const entries = historyOf(rows);
      if (entries.length === 0) return sendDetail(reply, 404, UNKNOWN);
      const { letter, stored } = rows;
      const head = letter?.state === 'waiting' ? await headOfQueue(db, letter.orderId) : null;
      return reply.send({
        event_id: id,
        order_id: stored?.orderId ?? letter?.orderId ?? null,
        status: statusOf(rows),
        held_behind: head && placeText(head),
        is_complete: !isCut(rows),
        entries,
      });
    },
  );
}
