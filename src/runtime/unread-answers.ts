import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';

/** How long a client may take to read an answer, in ms. The largest answers have a few megabytes. */
export const READ_MS = 60_000;
/** How many times in `ms` all connections are looked at. */
const LOOKS = 6;

/**
 * Closes a connection whose client has left something unread for `ms`. Node has limits for the time
 * of a request, but none for that of an answer, which stays in memory until it is read.
 *
 * All connections are looked at now and then, because a timer for each answer would cost a twentieth
 * of a request.
 */
export function closeUnread(app: FastifyInstance, ms: number): void {
  /** The open connections, each with the time since which something is unread; null if nothing is. */
  const connections = new Map<Socket, number | null>();
  // Under TLS the answers wait in the socket of that, and not in the one below it.
  const isTls = (app.server as unknown) instanceof TlsServer;
  app.server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, null);
    socket.once('close', () => connections.delete(socket));
  });
  const look = () => {
    const now = performance.now();
    for (const [socket, since] of connections) {
      if (socket.writableLength === 0) connections.set(socket, null);
      else if (since === null) connections.set(socket, now);
      else if (now - since >= ms) socket.destroy();
    }
  };
  const timer = setInterval(look, ms / LOOKS).unref();
  app.addHook('onClose', async () => clearInterval(timer));
}
