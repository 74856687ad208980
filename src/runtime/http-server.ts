/**
 * What both HTTP services share: limits on everything a client can send or withhold, and one shape
 * of error. Every 4xx and 5xx is JSON with `detail`, those of parser and router included.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { reasonOf } from '../errors.ts';
import type { Logger } from './logger.ts';
import { type ListenPlace, portError } from './port.ts';

export type HttpServer = FastifyInstance;

export type HttpServerOptions = {
  readonly title: string;
  readonly description: string;
  readonly bodyBytesMax: number;
  /** From the first byte of a request to its last; 408 after it. */
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
};

const JSON_TYPE = 'application/json; charset=utf-8';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const CONNECTIONS_MAX = 10_000;
/** For clients to take the answers that they wait for, once there are no more to come. */
const CLOSE_MS = 1000;

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = Fastify({
    bodyLimit: options.bodyBytesMax,
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    clientErrorHandler,
    frameworkErrors: (error, _request, reply) => {
      void sendDetail(reply as FastifyReply, 400, error.message);
    },
    http: {
      headersTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: 500,
      // Asked for below: Node's own refusal has no body.
      requireHostHeader: false,
    },
  });
  app.addHook('onRequest', (request, reply, done) => {
    const { host } = request.raw.headers;
    if (host !== undefined || request.raw.httpVersion !== '1.1') done();
    else sendDetail(reply.header('Connection', 'close'), 400, 'The request has no Host header');
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const body = JSON.stringify({ detail: 'Only "Expect: 100-continue" is supported' });
    const headers = { 'Content-Type': JSON_TYPE, 'Content-Length': body.length };
    response.writeHead(417, { ...headers, Connection: 'close' }).end(body);
  });
  app.setNotFoundHandler((_request, reply) => sendDetail(reply, 404, 'Not Found'));
  app.setErrorHandler((error, request, reply) => {
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status < 500) return sendDetail(reply, status, reasonOf(error));
    options.logger.error(
      { path: request.routeOptions.url, reason: reasonOf(error) },
      'Answered 500',
    );
    return sendDetail(reply, 500, 'Internal Server Error');
  });
  acceptJsonBytes(app);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: options.title, description: options.description, version: '0.1.0' },
      // In this order on the page.
      tags: ['events', 'orders', 'health'].map((name) => ({ name })),
    },
  });
  const css = [{ filename: 'plain.css', content: '.topbar { display: none }' }];
  await app.register(swaggerUi, { routePrefix: '/docs', theme: { title: options.title, css } });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

/** Bodies stay bytes: the one parser of events is ours (src/event). */
function acceptJsonBytes(app: HttpServer): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    // A compressed body could unpack to anything: none is taken.
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding === 'identity') done(null, body);
    else done(Object.assign(new Error('Content-Encoding is not supported'), { statusCode: 415 }));
  });
}

export function sendDetail(reply: FastifyReply, status: number, detail: unknown): FastifyReply {
  return reply.code(status).type(JSON_TYPE).send(JSON.stringify({ detail }));
}

/** To be called after all routes: the other methods of each path are answered 405, not 404. */
export function refuseOtherMethods(app: HttpServer, paths: Readonly<Record<string, string>>): void {
  for (const [url, allowed] of Object.entries(paths)) {
    const others = METHODS.filter((method) => !allowed.split(', ').includes(method));
    app.route({
      method: others,
      url,
      schema: { hide: true },
      // Before the body is read: its type does not matter any more.
      onRequest: async (_request, reply) => {
        await sendDetail(reply.header('Allow', allowed), 405, 'Method Not Allowed');
      },
      handler: () => {},
    });
  }
}

/** Answers what never became a request: broken syntax, too large headers, too slow clients. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, detail] = {
    HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Request headers are too large'],
    ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request came too slowly'],
  }[error.code ?? ''] ?? ['400 Bad Request', 'The request is not valid HTTP'];
  const body = JSON.stringify({ detail });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: ${JSON_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/**
 * Stops listening; resolves when the last connection is closed.
 * @param answered resolves when every request under way has its answer, at the latest.
 */
export async function closeServer(app: HttpServer, answered: Promise<void>): Promise<void> {
  const closed = app.close();
  // A connection that had a request under way at close() becomes idle later, and would stay open
  // for the whole keep-alive time-out.
  const sweep = setInterval(() => app.server.closeIdleConnections(), 20);
  await answered;
  const force = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(force);
}

/**
 * Listens, or says who is in the way and how to go around.
 * @returns the port, which differs from the wanted one only where that is 0.
 * @throws PORT_TAKEN
 */
export async function listen(app: HttpServer, place: ListenPlace): Promise<number> {
  const { host, port } = place;
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw portError(error, place);
  }
  return (app.server.address() as { port: number }).port;
}
