/** Orders and their events over HTTP. */
import type { FastifyRequest } from 'fastify';
import type { EventRules } from '../event/event-rules.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findDeadLetter, headOfQueue } from '../store/dead-letter-queue.ts';
import { findOrder, listOrderEvents } from '../store/event-status.ts';
import { countOrderLetters } from '../store/held-orders-report.ts';
import { placeText } from '../store/log-place.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Queryable } from '../store/queryable.ts';
import { pageOf } from './page.ts';
import { storedIdFrom } from './path-id.ts';
import { readQuery } from './query-string.ts';
import { GET_ORDER, GET_ORDER_EVENTS, OF_ORDER_EVENTS } from './status-operations.ts';

const UNKNOWN_ORDER = 'Unknown: no event with this order_id has been processed yet.';
const NO_ORDERS =
  'Unknown: orders are not kept, because ORDERS_PROJECTION is off. GET /orders/{order_id}/events lists the events.';
/** How many events GET /orders/{order_id} shows; `next` leads to the rest. */
const EVENTS_SHOWN = 100;

/** What an order shows whose events are all dead letters. */
const NOTHING_STORED = {
  user_id: null,
  total_amount: null,
  event_count: 0,
  amount_sum: '0',
  last_event_id: null,
  first_timestamp: null,
  last_timestamp: null,
  updated_at: null,
};

type OrderRequest = FastifyRequest<{ Params: { order_id: string } }>;

/** Adds the routes for orders. Without a projection, `GET /orders/{order_id}` always answers 404. */
export function addOrderRoutes(
  app: HttpServer,
  db: Queryable,
  { rules, projection }: { readonly rules: EventRules; readonly projection: Projection | null },
): void {
  app.get(
    '/orders/:order_id',
    { config: { operation: GET_ORDER } },
    async (request: OrderRequest, reply) => {
      const id = storedIdFrom(reply, 'order_id', request.params.order_id, rules);
      if (id === null) return reply;
      if (projection === null) return sendDetail(reply, 404, NO_ORDERS);
      const stored = await findOrder(db, id);
      const { discarded, held } = await orderHold(db, id);
      if (stored === null && held === null && discarded === 0) {
        return sendDetail(reply, 404, UNKNOWN_ORDER);
      }
      const order = { ...(stored ?? { order_id: id, ...NOTHING_STORED }), held, discarded };
      const page = await orderEvents(db, id, { after: undefined, limit: EVENTS_SHOWN });
      return reply.send({ ...order, events: page.items, next: page.next });
    },
  );
  app.get(
    '/orders/:order_id/events',
    { config: { operation: GET_ORDER_EVENTS } },
    async (request: OrderRequest, reply) => {
      const id = storedIdFrom(reply, 'order_id', request.params.order_id, rules);
      if (id === null) return reply;
      const query = readQuery(request.url, OF_ORDER_EVENTS);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const { after, limit = EVENTS_SHOWN } = query.values;
      return reply.send(await orderEvents(db, id, { after, limit }));
    },
  );
}

/** What holds the order, and how many of its events were given up. */
async function orderHold(db: Queryable, orderId: string) {
  const { parked, waiting, discarded, since } = await countOrderLetters(db, orderId);
  if (since === null || parked + waiting === 0) return { discarded, held: null };
  const head = await headOfQueue(db, orderId);
  const letter = head && (await findDeadLetter(db, head));
  // A redrive elsewhere may have just stored the last one.
  if (letter === null) return { discarded, held: null };
  const { eventId, state, reason, sqlState, parkedAt } = letter;
  const by = { place: placeText(letter), event_id: eventId, state, reason, sqlstate: sqlState };
  return { discarded, held: { since, by: { ...by, parked_at: parkedAt }, parked, waiting } };
}

async function orderEvents(
  db: Queryable,
  orderId: string,
  options: Parameters<typeof listOrderEvents>[2],
) {
  return pageOf(await listOrderEvents(db, orderId, options), options.limit, (row) => {
    const { logId, ...event } = row;
    return { place: placeText(row), log_id: logId, ...event };
  });
}
