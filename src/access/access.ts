/** Who may ask for what over HTTP, decided before a byte of the body is read. */
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { watchTls } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';
import { Allowance } from './allowance.ts';
import { type ApiKey, ApiKeys, type Role } from './api-keys.ts';
import { LOOPBACK_HOST, OwnNames } from './own-names.ts';

const MAY: Readonly<Record<Role, readonly Role[]>> = {
  ingest: ['ingest'],
  read: ['read'],
  admin: ['read', 'admin'],
};
const BEARER = /^Bearer ([\w-]{1,200})$/i;

/** Says nothing that the data would need: open with or without keys. */
const OPEN = /^\/(health(\/.*)?|metrics|docs(\/.*)?|openapi\.json|console\/.*)?$/;

const keysOfRequests = new WeakMap<object, ApiKey>();

/** The key that a request came with; undefined where no keys are configured. */
export function keyOfRequest(request: object): ApiKey | undefined {
  return keysOfRequests.get(request);
}

export type Access = {
  /** Counts what came beside the one event that a request was let in for. */
  readonly spend: (request: FastifyRequest, events: number) => void;
  /** For health: what an operator should know. */
  readonly warnings: () => string[];
  readonly stop: () => void;
};

/** For a route that is not open. @param method in upper case. */
export type NeedOf = (method: string) => Role;

/** @throws SETTING_INVALID when the keys cannot be read. */
export function addAccess(
  app: HttpServer,
  settings: Settings,
  logger: Logger,
  needOf: NeedOf,
): Access {
  const { API_KEYS_FILE: file, HOST: host, TLS_CLIENT_CA_FILE: clientCa } = settings;
  if (clientCa !== undefined) app.addHook('onRequest', refuseWithoutCertificate);
  const tls = watchTls(app.server, settings, logger);
  if (file === undefined && tls === null) refuseForeignPages(app, settings, needOf);
  if (file === undefined) {
    const isOpen = !LOOPBACK_HOST.test(host) && clientCa === undefined;
    const isNamed = host === hostname();
    const shell = isNamed ? '. Some shells set HOST to the name of the machine: see --host' : '';
    const warning = `Anyone who reaches ${host} may send and read events: set API_KEYS_FILE, or keep the port private${shell}`;
    if (isOpen) logger.warn(warning);
    return {
      spend: () => {},
      warnings: () => [...(isOpen ? [warning] : []), ...troublesOf(tls)],
      stop: () => tls?.stop(),
    };
  }
  const keys = new ApiKeys(file, logger);
  const allowances = new Map<string, Allowance>();
  app.addHook('onRequest', (request, reply, done) => {
    const { url = '' } = request.routeOptions;
    if (OPEN.test(url)) return done();
    const key = keys.find(BEARER.exec(request.headers.authorization ?? '')?.[1] ?? '');
    if (key === null) return void refuseUnknown(reply, request.headers.authorization);
    const need = needOf(request.method);
    if (!MAY[key.role].includes(need)) {
      return void sendDetail(reply, 403, `This key is for "${key.role}", not for "${need}"`);
    }
    keysOfRequests.set(request, key);
    // The redirect to an event's status costs nothing.
    if (need !== 'ingest' || request.method !== 'POST') return done();
    const allowance = allowances.get(key.name) ?? new Allowance();
    allowances.set(key.name, allowance);
    const wait = allowance.waitSeconds(key, Date.now());
    if (wait !== null) {
      reply.header('Retry-After', wait);
      return void sendDetail(reply, 429, 'More events than this key may send now');
    }
    allowance.spend(1);
    done();
  });
  return {
    spend: (request, events) => {
      const key = keyOfRequest(request);
      if (key !== undefined) allowances.get(key.name)?.spend(events);
    },
    warnings: () => troublesOf(keys, tls),
    stop: () => {
      keys.stop();
      tls?.stop();
    },
  };
}

function troublesOf(...files: ({ readonly trouble: string | null } | null)[]): string[] {
  return files.flatMap((file) => file?.trouble ?? []);
}

/** mTLS: the handshake has checked the certificate, if there was one, and left the verdict here. */
function refuseWithoutCertificate(
  request: FastifyRequest,
  reply: FastifyReply,
  done: () => void,
): void {
  const isKnown = (request.raw.socket as TLSSocket).authorized;
  if (isKnown || OPEN.test(request.routeOptions.url ?? '')) done();
  else sendDetail(reply, 403, 'A client certificate is needed');
}

/** What can be read is kept from pages of other sites by Host, what they could send by Origin. */
function refuseForeignPages(app: HttpServer, settings: Settings, needOf: NeedOf): void {
  const names = new OwnNames(settings);
  app.addHook('onRequest', ({ headers, method, routeOptions }, reply, done) => {
    if (OPEN.test(routeOptions.url ?? '')) return done();
    const isIngest = needOf(method) === 'ingest';
    const why = isIngest ? names.whyNotOrigin(headers.origin) : names.whyNotHost(headers.host);
    if (why === null) done();
    else sendDetail(reply, 403, why);
  });
}

function refuseUnknown(reply: FastifyReply, given: string | undefined): void {
  const detail = given === undefined ? 'Send Authorization: Bearer KEY' : 'This key is not known';
  sendDetail(reply.header('WWW-Authenticate', 'Bearer'), 401, detail);
}
