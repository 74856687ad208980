/** "Where is event X?" over HTTP. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findEvent, findOrder, listOrderEvents } from '../store/event-status.ts';
import { placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/pool.ts';
import type { EventWaiters } from './event-waiters.ts';
import { pageOf } from './page.ts';
import { PLACE, readQuery, UUID, wholeNumber } from './query-string.ts';

const WAIT_SECONDS_MAX = 30;
const UNKNOWN_EVENT =
  'Unknown: no event with this event_id has been processed. It may be on its way (GET /health shows ' +
  'how far the consumer is; ?wait=5 waits for it), it may never have been accepted, or it was refused ' +
  'as invalid (GET /dead-letters?event_id=... finds it then).';
const UNKNOWN_ORDER = 'Unknown: no event of this order_id has been stored yet.';
const NO_ORDERS =
  'Unknown: ORDERS_PROJECTION is off, so orders are not kept. GET /orders/{order_id}/events lists the events.';
const LIST = { after: PLACE, limit: wholeNumber(1, 1000) };
/** How many events of an order its own page shows; the rest is paged. */
const EVENTS_SHOWN = 100;

type EventRequest = FastifyRequest<{ Params: { event_id: string } }>;
type OrderRequest = FastifyRequest<{ Params: { order_id: string } }>;

export function addQueryRoutes(
  app: HttpServer,
  db: Queryable,
  waiters: EventWaiters,
  { withoutOrders = false }: { readonly withoutOrders?: boolean } = {},
): void {
  app.get(
    '/events/:event_id',
    {
      schema: {
        summary: 'Status, payload and position of an event',
        description: '`?wait=5` answers as soon as it is known, after 5 seconds at the latest.',
        tags: ['events'],
      },
    },
    (request: EventRequest, reply) => answerEvent(request, reply, db, waiters),
  );
  app.get(
    '/orders/:order_id',
    { schema: { summary: 'An order as its events made it, and its events', tags: ['orders'] } },
    async (request: OrderRequest, reply) => {
      const id = idOf(reply, 'order_id', request.params.order_id);
      if (id === null) return reply;
      if (withoutOrders) return sendDetail(reply, 404, NO_ORDERS);
      const order = await findOrder(db, id);
      if (order === null) return sendDetail(reply, 404, UNKNOWN_ORDER);
      const page = await orderEvents(db, id, { after: undefined, limit: EVENTS_SHOWN });
      return reply.send({ ...order, events: page.items, next: page.next });
    },
  );
  app.get(
    '/orders/:order_id/events',
    {
      schema: {
        summary: 'Stored events of an order in log order',
        description: '`?limit=` (1 to 1000) and `?after=`, the `next` of the page before.',
        tags: ['orders'],
      },
    },
    async (request: OrderRequest, reply) => {
      const id = idOf(reply, 'order_id', request.params.order_id);
      if (id === null) return reply;
      const query = readQuery(request.url, LIST);
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
  const query = readQuery(request.url, { wait: wholeNumber(0, WAIT_SECONDS_MAX) });
  if (!query.ok) return sendDetail(reply, 422, query.errors);
  const { wait = 0 } = query.values;
  const found = await findEvent(db, id);
  if (found !== null) return reply.send(found);
  if (wait > 0) {
    if (waiters.isFull) {
      return sendDetail(reply.header('Retry-After', '1'), 503, 'Too many requests wait already');
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

/** The id in its one spelling; null once the reply says what is wrong with it. */
function idOf(reply: FastifyReply, name: string, given: string): string | null {
  const id = UUID.parse(given);
  if (id !== null) return id;
  const msg = `Input should be ${UUID.shape}`;
  const error = { type: UUID.type, loc: ['path', name], msg, input: given.slice(0, 200) };
  sendDetail(reply, 422, [error]);
  return null;
}
