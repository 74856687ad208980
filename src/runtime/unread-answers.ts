import type { FastifyInstance } from 'fastify';

/** How long a client may take to read an answer, in ms. The largest answers have a few megabytes. */
export const READ_MS = 60_000;

/**
 * Closes the connection of a client that has not read its answer within `ms`. Node has limits for
 * the time of a request, but none for that of an answer, which stays in memory until it is read.
 */
export function closeUnread(app: FastifyInstance, ms: number): void {
  app.addHook('onSend', (_request, { raw }, _payload, done) => {
    const timer = setTimeout(() => raw.destroy(), ms).unref();
    const stop = () => clearTimeout(timer);
    raw.once('finish', stop).once('close', stop);
    done();
  });
}
