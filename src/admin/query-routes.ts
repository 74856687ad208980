/** The status of single events and orders over HTTP. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findDeadLetter, headOfQueue } from '../store/dead-letter-queue.ts';
import { findEvent, findOrder, listOrderEvents } from '../store/event-status.ts';
import { countOrderLetters } from '../store/held-orders-report.ts';
import { placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import type { EventWaiters } from './event-waiters.ts';
import { pageOf } from './page.ts';
import { idOf } from './path-id.ts';
import { readQuery } from './query-string.ts';
import {
  GET_EVENT,
  GET_ORDER,
  GET_ORDER_EVENTS,
  OF_EVENT,
  OF_ORDER_EVENTS,
} from './status-operations.ts';

const UNKNOWN_EVENT =
  'Unknown: no event with this event_id has been processed. It may still be in the log (GET /positions ' +
  'shows the lag; ?wait=5 waits up to 5 seconds), it may never have been accepted, or it may have been ' +
  'refused as invalid (then GET /dead-letters?event_id=... finds it).';
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

type EventRequest = FastifyRequest<{ Params: { event_id: string } }>;
type OrderRequest = FastifyRequest<{ Params: { order_id: string } }>;

/**
 * Adds the routes for single events and orders. With `withoutOrders` (ORDERS_PROJECTION is off),
 * GET /orders/{order_id} always answers 404.
 */
export function addQueryRoutes(
  app: HttpServer,
  db: Queryable,
  waiters: EventWaiters,
  { withoutOrders = false }: { readonly withoutOrders?: boolean } = {},
): void {
  app.get(
    '/events/:event_id',
    { config: { operation: GET_EVENT } },
    (request: EventRequest, reply) => answerEvent(request, reply, db, waiters),
  );
  app.get(
    '/orders/:order_id',
    { config: { operation: GET_ORDER } },
    async (request: OrderRequest, reply) => {
      const id = idOf(reply, 'order_id', request.params.order_id);
      if (id === null) return reply;
      if (withoutOrders) return sendDetail(reply, 404, NO_ORDERS);
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
      const id = idOf(reply, 'order_id', request.params.order_id);
      if (id === null) return reply;
      const query = readQuery(request.url, OF_ORDER_EVENTS);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const { after, limit = EVENTS_SHOWN } = query.values;
      return reply.send(await orderEvents(db, id, { after, limit }));
    },
  );
}

async function answerEvent(
  request: EventRequest,
  reply: FastifyReply,
  db: Queryable,
  waiters: EventWaiters,
): Promise<FastifyReply> {
  const id = idOf(reply, 'event_id', request.params.event_id);
  if (id === null) return reply;
  const query = readQuery(request.url, OF_EVENT);
  if (!query.ok) return sendDetail(reply, 422, query.errors);
  const { wait = 0 } = query.values;
  const found = await findEvent(db, id);
  if (found !== null) return reply.send(found);
  if (wait > 0) {
    if (waiters.isFull) {
      return sendDetail(
        reply.header('Retry-After', '1'),
        503,
        'Too many requests are waiting. Repeat the request later, or without ?wait=',
      );
    }
    const gone = new AbortController();
    if (request.raw.socket.destroyed) gone.abort();
    const onClose = () => gone.abort();
    request.raw.socket.once('close', onClose);
    await waiters.wait(id, wait * 1000, gone.signal);
    request.raw.socket.off('close', onClose);
  }
  const late = wait > 0 ? await findEvent(db, id) : null;
  return late === null ? sendDetail(reply, 404, UNKNOWN_EVENT) : reply.send(late);
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
