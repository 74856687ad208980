/** `GET /stream`. */
import { isStillAllowed } from '../access/access.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { LiveStreams } from './live-streams.ts';
import { readQuery } from './query-string.ts';
import { GET_STREAM, OF_STREAM } from './stream-operations.ts';

/** Adds the route. */
export function addStreamRoute(app: HttpServer, streams: LiveStreams): void {
  app.get('/stream', { config: { operation: GET_STREAM } }, (request, reply) => {
    const query = readQuery(request.url, OF_STREAM);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { whyFull } = streams;
    if (whyFull !== null) return sendDetail(reply.header('Retry-After', '1'), 503, whyFull);
    if (request.method === 'HEAD') return reply.type('text/event-stream; charset=utf-8').send('');
    const last = request.headers['last-event-id'];
    const lastId = typeof last === 'string' && /^\d{1,15}$/.test(last) ? Number(last) : null;
    streams.open(reply, { ...query.values, lastId, mayRead: () => isStillAllowed(request) });
  });
}
