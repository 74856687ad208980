/**
 * What both HTTP services share: limits on everything a client can send or withhold, and one shape
 * of error. Every 4xx and 5xx is JSON with `detail`, those of parser and router included.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { reasonOf } from '../errors.ts';
import { AllowedMethods } from './allowed-methods.ts';
import { BodyRefused } from './body-refused.ts';
import { BrokenRequests, JSON_TYPE } from './broken-requests.ts';
import { holdExpectations } from './continue.ts';
import type { Logger } from './logger.ts';
import { JSON_TYPES } from './media-type.ts';
import { type ListenPlace, portError } from './port.ts';
import { discardRest, openBody } from './request-body.ts';
import type { ServerTls } from './tls.ts';

export type HttpServer = FastifyInstance;

export type HttpServerOptions = {
  readonly title: string;
  readonly description: string;
  readonly bodyBytesMax: number;
  /** From the first byte of a request to its last; 408 after it. */
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
  /** null: plain HTTP. */
  readonly tls: ServerTls | null;
};

/** On every answer. What is asked for changes all the time, and may be about people. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
};
const JSON_ADVICE = 'Send application/json, in UTF-8';
const ONLY_TLS = { 'Strict-Transport-Security': 'max-age=31536000' };
const CONNECTIONS_MAX = 10_000;
/** For clients to take the answers that they wait for, once there are no more to come. */
const CLOSE_MS = 1000;

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const broken = new BrokenRequests();
  const app = Fastify({
    // The framework's types take a server of another kind for another framework.
    ...(options.tls === null ? {} : ({ https: options.tls } as object)),
    routerOptions: { ignoreTrailingSlash: true },
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    clientErrorHandler: broken.onClientError,
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
  app.server.maxConnections = CONNECTIONS_MAX;
  broken.watch(app.server);
  holdExpectations(app.server);
  const headers = options.tls === null ? HEADERS : { ...HEADERS, ...ONLY_TLS };
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
  refuseEarly(app);
  acceptJsonBytes(app, options.bodyBytesMax);
  app.setErrorHandler(async (error, request, reply) => {
    if (error instanceof BodyRefused) {
      reply.headers(error.headers);
      // The framework would close the connection, and the client might never read the answer.
      reply.removeHeader('connection');
      await discardRest(request.raw, reply.raw);
    }
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    // The framework's own refusal, of what is no media type at all, does not name those taken.
    const advice = status === 415 && !(error instanceof BodyRefused) ? `. ${JSON_ADVICE}` : '';
    if (status < 500) return sendDetail(reply, status, reasonOf(error) + advice);
    const fields = { path: request.routeOptions.url, reason: reasonOf(error) };
    options.logger.error(fields, 'Answered 500');
    // A header of the answer that failed may be what made it fail.
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
    return sendDetail(reply, 500, 'Internal Server Error');
  });
  await addDocs(app, options);
  return app;
}

/** What can be refused before a body is read: its type does not matter then. */
function refuseEarly(app: HttpServer): void {
  const allowed = new AllowedMethods();
  app.addHook('onRoute', ({ url, method }) => allowed.add(url, method));
  app.setNotFoundHandler((request, reply) => sendNotFound(allowed, request, reply));
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, httpVersion } = request.raw;
    if (headers.host === undefined && httpVersion === '1.1') {
      sendDetail(reply.header('Connection', 'close'), 400, 'The request has no Host header');
    } else if (request.is404) sendNotFound(allowed, request, reply);
    else done();
  });
}

function sendNotFound(allowed: AllowedMethods, request: FastifyRequest, reply: FastifyReply) {
  const methods = allowed.of(request.url);
  if (methods.length === 0) return sendDetail(reply, 404, 'Not Found');
  return sendDetail(reply.header('Allow', methods.join(', ')), 405, 'Method Not Allowed');
}

/** Bodies stay bytes: the one parser of events is ours (src/event). */
function acceptJsonBytes(app: HttpServer, bytesMax: number): void {
  const forms = [[JSON_TYPES, 'json']] as const;
  const rules = { forms, bytesMax, advice: JSON_ADVICE };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, _payload, done) => {
    openBody(request.raw, rules).content.whole(done);
  });
}

async function addDocs(app: HttpServer, { title, description }: HttpServerOptions): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, description, version: '0.1.0' },
      // In this order on the page.
      tags: ['events', 'orders', 'dead letters', 'ledgers', 'health'].map((name) => ({ name })),
    },
  });
  const css = [{ filename: 'plain.css', content: '.topbar { display: none }' }];
  await app.register(swaggerUi, { routePrefix: '/docs', theme: { title, css } });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}

export function sendDetail(reply: FastifyReply, status: number, detail: unknown): FastifyReply {
  return reply.code(status).type(JSON_TYPE).send(JSON.stringify({ detail }));
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
