/** The status of single events over HTTP. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EventRules } from '../event/event-rules.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findEvent } from '../store/event-status.ts';
import type { Queryable } from '../store/queryable.ts';
import type { EventWaiters } from './event-waiters.ts';
import { storedIdFrom } from './path-id.ts';
import { readQuery } from './query-string.ts';
import { GET_EVENT, OF_EVENT } from './status-operations.ts';

const UNKNOWN_EVENT =
  'Unknown: no event with this event_id has been processed. It may still be in the log (GET /positions ' +
  'shows the lag; ?wait=5 waits up to 5 seconds), it may never have been accepted, or it may have been ' +
  'refused as invalid (then GET /dead-letters?event_id=... finds it).';

type EventRequest = FastifyRequest<{ Params: { event_id: string } }>;

/** Adds `GET /events/{event_id}`. */
export function addEventRoutes(
  app: HttpServer,
  db: Queryable,
  waiters: EventWaiters,
  rules: EventRules,
): void {
  app.get(
    '/events/:event_id',
    { config: { operation: GET_EVENT } },
    async (request: EventRequest, reply) => {
      const id = storedIdFrom(reply, 'event_id', request.params.event_id, rules);
      return id === null ? reply : await answerEvent(id, request, reply, { db, waiters });
    },
  );
}

async function answerEvent(
  id: string,
  request: EventRequest,
  reply: FastifyReply,
  { db, waiters }: { readonly db: Queryable; readonly waiters: EventWaiters },
): Promise<FastifyReply> {
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
