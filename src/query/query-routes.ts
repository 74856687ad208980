/** "Where is event X?" over HTTP. */

import type { FastifyReply } from 'fastify';
import { checkUuid } from '../event/fields.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findEvent, findOrder } from '../store/event-status.ts';
import type { Queryable } from '../store/pool.ts';

export function addQueryRoutes(app: HttpServer, db: Queryable): void {
  app.get<{ Params: { event_id: string } }>(
    '/events/:event_id',
    { schema: { summary: 'Status, payload and position of an event', tags: ['events'] } },
    (request, reply) =>
      answer(reply, 'event_id', request.params.event_id, (id) => findEvent(db, id)),
  );
  app.get<{ Params: { order_id: string } }>(
    '/orders/:order_id',
    { schema: { summary: 'An order as its events made it', tags: ['orders'] } },
    (request, reply) =>
      answer(reply, 'order_id', request.params.order_id, (id) => findOrder(db, id)),
  );
}

async function answer(
  reply: FastifyReply,
  name: string,
  given: string,
  find: (id: string) => Promise<object | null>,
): Promise<FastifyReply> {
  const verdict = checkUuid(JSON.stringify(given));
  if (!verdict.ok) {
    const { type, msg } = verdict;
    return sendDetail(reply, 422, [{ type, loc: ['path', name], msg, input: given.slice(0, 200) }]);
  }
  const found = await find(verdict.value);
  if (found !== null) return reply.send(found);
  return sendDetail(
    reply,
    404,
    `Unknown: nothing with this ${name} has been processed yet. It may still be on its way.`,
  );
}
