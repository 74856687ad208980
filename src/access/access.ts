/** Decides who may do what over HTTP, before any byte of the body is read. */
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { Logger } from '../runtime/logger.ts';
import { isOpenPath } from '../runtime/open-paths.ts';
import { watchTls } from '../runtime/tls.ts';
import type { Settings } from '../settings/settings.ts';
import type { Refusal } from './access-metrics.ts';
import { Allowance } from './allowance.ts';
import { type ApiKey, ApiKeys, type Role } from './api-keys.ts';
import { LOOPBACK_HOST, OwnNames } from './own-names.ts';

const MAY: Readonly<Record<Role, readonly Role[]>> = {
  ingest: ['ingest'],
  read: ['read'],
  admin: ['read', 'admin'],
};
const BEARER = /^Bearer ([\w-]{1,200})$/i;

const keysOfRequests = new WeakMap<object, ApiKey>();
const rechecks = new WeakMap<object, () => boolean>();

/** The key that a request presented; undefined if no keys are configured. */
export function keyOfRequest(request: object): ApiKey | undefined {
  return keysOfRequests.get(request);
}

/** Whether the request would be accepted now too: for answers that last longer than a key may. */
export function isStillAllowed(request: object): boolean {
  return rechecks.get(request)?.() ?? true;
}

/** What addAccess returns to the service. */
export type Access = {
  /** Charges further events to the key of a request. Its first event was charged at the start. */
  readonly spend: (request: FastifyRequest, events: number) => void;
  /** Messages for health pages: what an operator should know. */
  readonly warnings: () => string[];
  readonly stop: () => void;
};

/** The role that a request needs, by its HTTP method in upper case. Open routes need none. */
export type NeedOf = (method: string) => Role;

/**
 * Adds the checks that the settings ask for: client certificates, API keys, or without either of
 * keys and TLS the check against pages of other sites (own-names.ts).
 * @param onRefused called for each request that is refused, for metrics.
 * @throws SETTING_INVALID if the keys cannot be read.
 */
export function addAccess(
  app: HttpServer,
  settings: Settings,
  logger: Logger,
  needOf: NeedOf,
  onRefused: (why: Refusal) => void,
): Access {
  const { API_KEYS_FILE: file, HOST: host, TLS_CLIENT_CA_FILE: clientCa } = settings;
  if (clientCa !== undefined) refuseWithoutCertificate(app, onRefused);
  const tls = watchTls(app.server, settings, logger);
  if (file === undefined && tls === null) refuseForeignPages(app, settings, needOf, onRefused);
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
    if (isOpenPath(url)) return done();
    const { authorization } = request.headers;
    const token = BEARER.exec(authorization ?? '')?.[1] ?? '';
    const key = keys.find(token);
    if (key === null) {
      onRefused(authorization === undefined ? 'no_key' : 'unknown_key');
      return void refuseUnknown(reply, authorization);
    }
    const need = needOf(request.method);
    if (!MAY[key.role].includes(need)) {
      onRefused('wrong_role');
      return void sendDetail(reply, 403, `This key is for "${key.role}", not for "${need}"`);
    }
    keysOfRequests.set(request, key);
    rechecks.set(request, () => {
      const now = keys.find(token);
      return now !== null && MAY[now.role].includes(need);
    });
    // Only a POST brings events. The redirect to the status of an event is free.
    if (need !== 'ingest' || request.method !== 'POST') return done();
    const allowance = allowances.get(key.name) ?? new Allowance();
    allowances.set(key.name, allowance);
    const wait = allowance.waitSeconds(key, Date.now());
    if (wait !== null) {
      onRefused('rate');
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

/**
 * With mTLS: the TLS handshake has verified the client certificate, if any, and set `authorized`.
 */
function refuseWithoutCertificate(app: HttpServer, onRefused: (why: Refusal) => void): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isKnown = (request.raw.socket as TLSSocket).authorized;
    if (isKnown || isOpenPath(request.routeOptions.url ?? '')) return done();
    onRefused('no_certificate');
    sendDetail(reply, 403, 'This request needs a client certificate of a configured CA');
  });
}

/** Refuses requests of web pages of other sites: reads by their Host, POSTs of events by Origin. */
function refuseForeignPages(
  app: HttpServer,
  settings: Settings,
  needOf: NeedOf,
  onRefused: (why: Refusal) => void,
): void {
  const names = new OwnNames(settings);
  app.addHook('onRequest', ({ headers, method, routeOptions }, reply, done) => {
    if (isOpenPath(routeOptions.url ?? '')) return done();
    const isIngest = needOf(method) === 'ingest';
    const why = isIngest ? names.whyNotOrigin(headers.origin) : names.whyNotHost(headers.host);
    if (why === null) return done();
    onRefused('foreign_page');
    sendDetail(reply, 403, why);
  });
}

function refuseUnknown(reply: FastifyReply, given: string | undefined): void {
  const detail = given === undefined ? 'Send Authorization: Bearer KEY' : 'This key is not known';
  sendDetail(reply.header('WWW-Authenticate', 'Bearer'), 401, detail);
}
