/**
 * What both HTTP services share: limits on size and time of everything that a client sends, and one
 * form of error. Every 4xx and 5xx answer is JSON with `detail`, also those of parser and router.
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
import { ApiDescription, type ApiInfo } from './openapi.ts';
import { json, type Operation, record } from './operation.ts';
import { type ListenPlace, portError } from './port.ts';
import { discardRest, openBody } from './request-body.ts';
import type { ServerTls } from './tls.ts';
import { closeUnread, READ_MS } from './unread-answers.ts';

export type HttpServer = FastifyInstance;

export type HttpServerOptions = ApiInfo & {
  readonly bodyBytesMax: number;
  /** Time from the first byte of a request to its last; after it the answer is 408. */
  readonly requestTimeoutMs: number;
  /** Time in which a client must read an answer; after it the connection is closed. */
  readonly answerTimeoutMs?: number;
  readonly logger: Logger;
  /** null: plain HTTP. */
  readonly tls: ServerTls | null;
};

/** On every answer. Nothing may be cached: the data changes all the time and may be personal. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
};
const JSON_ADVICE = 'Send application/json, in UTF-8';
const ONLY_TLS = { 'Strict-Transport-Security': 'max-age=31536000' };
const GET_OPENAPI: Operation = {
  summary: 'This description of the API, as OpenAPI 3.1',
  description: '`/docs` shows it as a page.',
  tags: ['about'],
  responses: {
    200: json(
      'The description.',
      record({ openapi: { type: 'string' }, paths: { type: 'object' } }),
      {
        openapi: '3.1.0',
        paths: {},
      },
    ),
  },
};
const CONNECTIONS_MAX = 10_000;
/** Of a part of a path: a text id of 200 characters may be as long with each byte escaped. */
const PARAM_LENGTH_MAX = 200 * 4 * 3;
/** How long clients may take to read the last answers before their connections are closed. */
const CLOSE_MS = 1000;

/**
 * Creates a server with the shared behaviour and the API docs. The caller adds routes, then
 * listens.
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const broken = new BrokenRequests();
  const app = Fastify({
    // The cast is needed because Fastify's types differ for an HTTPS server.
    ...(options.tls === null ? {} : ({ https: options.tls } as object)),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PARAM_LENGTH_MAX },
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
      // refuseEarly() requires it instead, because Node's own refusal has no body.
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
  closeUnread(app, options.answerTimeoutMs ?? READ_MS);
  refuseEarly(app);
  acceptJsonBytes(app, options.bodyBytesMax);
  app.setErrorHandler(async (error, request, reply) => {
    if (error instanceof BodyRefused) {
      reply.headers(error.headers);
      // Fastify would close the connection, and the client might then never read the answer.
      reply.removeHeader('connection');
      await discardRest(request.raw, reply.raw);
    }
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    // Fastify's own 415, for a header that is no media type, does not say what is accepted.
    const advice = status === 415 && !(error instanceof BodyRefused) ? `. ${JSON_ADVICE}` : '';
    if (status < 500) return sendDetail(reply, status, reasonOf(error) + advice);
    const fields = { path: request.routeOptions.url, reason: reasonOf(error) };
    const outage = options.outageOf?.(error) ?? null;
    // The headers of the failed answer may be the reason why it failed.
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
    // The log has one line about the outage already, however many ask meanwhile.
    if (outage !== null) return sendDetail(reply.header('Retry-After', '1'), 503, outage);
    options.logger.error(fields, 'Answered 500');
    return sendDetail(reply, 500, 'Internal Server Error');
  });
  await addDocs(app, options);
  return app;
}

/**
 * Refuses unknown paths, wrong methods and a missing Host before the body and its type are checked.
 */
function refuseEarly(app: HttpServer): void {
  const allowed = new AllowedMethods();
  app.addHook('onRoute', ({ url, method }) => allowed.add(url, method));
  app.setNotFoundHandler((request, reply) => sendNotFound(allowed, request, reply));
  // The router would read GET /events/batch as GET /events/:event_id.
  const isMistaken = ({ routeOptions, url, method }: FastifyRequest) =>
    routeOptions.url?.includes(':') === true && allowed.isMistaken(url, method);
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, httpVersion } = request.raw;
    if (headers.host === undefined && httpVersion === '1.1') {
      sendDetail(reply.header('Connection', 'close'), 400, 'The request has no Host header');
    } else if (request.is404 || isMistaken(request)) sendNotFound(allowed, request, reply);
    else done();
  });
}

function sendNotFound(allowed: AllowedMethods, request: FastifyRequest, reply: FastifyReply) {
  const methods = allowed.of(request.url);
  if (methods.length === 0) return sendDetail(reply, 404, 'Not Found');
  reply.header('Allow', methods.join(', '));
  // It grants nothing to pages of other origins: there are no CORS headers in it.
  if (request.method === 'OPTIONS') return reply.code(204).send();
  return sendDetail(reply, 405, 'Method Not Allowed');
}

/** Bodies stay bytes, because only the validator in src/event may parse events. */
function acceptJsonBytes(app: HttpServer, bytesMax: number): void {
  const forms = [[JSON_TYPES, 'json']] as const;
  const rules = { forms, bytesMax, advice: JSON_ADVICE };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, _payload, done) => {
    openBody(request.raw, rules).content.whole(done);
  });
}

/** The description of the API is complete once all routes are added. */
async function addDocs(app: HttpServer, info: ApiInfo): Promise<void> {
  const description = new ApiDescription(info);
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.operation !== undefined) description.add(url, method, config.operation);
  });
  // The plugin would derive a description from Fastify's schemas, which these routes do not have.
  await app.register(swagger, { openapi: {}, transformObject: () => description.document() });
  app.get('/openapi.json', { config: { operation: GET_OPENAPI } }, () => app.swagger());
  const css = [{ filename: 'plain.css', content: '.topbar { display: none }' }];
  await app.register(swaggerUi, { routePrefix: '/docs', theme: { title: info.title, css } });
}

/** Answers with `{"detail": …}`, the form of every error. */
export function sendDetail(reply: FastifyReply, status: number, detail: unknown): FastifyReply {
  return reply.code(status).type(JSON_TYPE).send(JSON.stringify({ detail }));
}

/**
 * Stops listening. Resolves when the last connection is closed.
 * @param answered must resolve when every running request has been answered. Connections that are
 * still open 1 s later are closed.
 */
export async function closeServer(app: HttpServer, answered: Promise<void>): Promise<void> {
  const closed = app.close();
  // A connection with a running request at close() becomes idle later. Without this it would stay
  // open for the whole keep-alive timeout.
  const sweep = setInterval(() => app.server.closeIdleConnections(), 20);
  await answered;
  const force = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(force);
}

/**
 * Listens on a place.
 * @returns the port. It differs from the given port only if that is 0.
 * @throws PORT_TAKEN, SETTING_INVALID; see portError.
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
