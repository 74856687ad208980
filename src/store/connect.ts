/**
 * Opens a session with a server of DATABASE_URL: with the first of its hosts, and of each host's
 * addresses, that answers and has the role that target_session_attrs requires. So a standby, or an
 * old primary that has become one, is rejected before it gets a statement.
 *
 * Without target_session_attrs a writable server is preferred, and another one accepted if there is
 * none. With one host in DATABASE_URL that is always this host, with several it is the primary.
 */
import dns from 'node:dns/promises';
import { OrderonceError, reasonOf } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import {
  type DatabaseTarget,
  describeHost,
  type HostAndPort,
  type SessionAttributes,
} from '../settings/database-url.ts';
import { encryptionsOf } from './database-tls.ts';
import { type ServerFacts, Session, type SessionConfig } from './session.ts';
import { sqlStateOf } from './sqlstate.ts';

/** How long one address may take, from TCP to the first answer. After that it counts as down. */
const CONNECT_MS = 2500;

/** An address at which a server may be reached. */
type Route = HostAndPort & { readonly address: string };

/** What this process knows about the servers of one DATABASE_URL. All of its pools share it. */
export class KnownServers {
  /**
   * The route that worked last. It is tried first, so that a hanging host costs its time-out once.
   */
  #lastGood: string | null = null;
  /** The server that answered last. Sessions with another server were opened before a failover. */
  current: string | null = null;

  /** The same routes, with the one that worked last in front. */
  prefer(routes: readonly Route[]): Route[] {
    return routes.toSorted((a, b) => this.#rank(a) - this.#rank(b));
  }

  #rank(route: Route): number {
    return keyOf(route) === this.#lastGood ? 0 : 1;
  }

  /** To be called when a session has been opened. */
  noteGood(route: Route, { server }: ServerFacts): void {
    this.#lastGood = keyOf(route);
    this.current = server;
  }
}

function keyOf({ host, address, port }: Route): string {
  return `${host} ${address} ${port}`;
}

/**
 * Opens a session. Each address is given CONNECT_MS, or the connect_timeout of DATABASE_URL.
 * @param base the configuration that all sessions of a pool share.
 * @throws the error itself if there was only one; otherwise DATABASE_UNAVAILABLE with all of them.
 */
export async function openSession(
  target: DatabaseTarget,
  known: KnownServers,
  base: SessionConfig,
): Promise<Session> {
  const failures: unknown[] = [];
  let second: { session: Session; route: Route } | null = null;
  for (const route of known.prefer(await routesOf(target, failures))) {
    try {
      const session = await openOne(target, base, route);
      const fit = fitOf(session.facts, target.sessionAttributes);
      if (fit === 'good' || (fit === 'second' && second === null)) {
        void second?.session.close();
        second = { session, route };
        if (fit === 'good') break;
        continue;
      }
      void session.close();
      failures.push(refusal(route, session.facts, target.sessionAttributes));
    } catch (error) {
      failures.push(error);
    }
  }
  if (second === null) throw unavailable(failures);
  known.noteGood(second.route, second.session.facts);
  return second.session;
}

/**
 * Resolves the host names. Done for every session, because a failover may change a name's address.
 */
async function routesOf({ hosts }: DatabaseTarget, failures: unknown[]): Promise<Route[]> {
  const routes: Route[] = [];
  for (const place of hosts) {
    if (place.host.startsWith('/')) {
      routes.push({ ...place, address: place.host });
      continue;
    }
    try {
      const late = () => tooLate(place, CONNECT_MS);
      const found = await within(CONNECT_MS, dns.lookup(place.host, { all: true }), late);
      routes.push(...found.map(({ address }) => ({ ...place, address })));
    } catch (error) {
      failures.push(error);
    }
  }
  return routes;
}

async function openOne(
  target: DatabaseTarget,
  base: SessionConfig,
  route: Route,
): Promise<Session> {
  const deadlineMs = target.connectTimeoutMs ?? CONNECT_MS;
  let failure: unknown;
  for (const ssl of await encryptionsOf(target, route.host)) {
    const session = new Session({ ...base, host: route.address, port: route.port, ssl });
    try {
      await within(deadlineMs, session.start(), () => tooLate(route, deadlineMs));
      return session;
    } catch (error) {
      session.destroy();
      // The first error usually says more, unless it only says that there is no TLS.
      failure = failure === undefined || isAboutTls(failure) ? error : failure;
      if (!mayBeOtherwise(error)) break;
    }
  }
  throw failure;
}

function isAboutTls(error: unknown): boolean {
  return /does not support SSL/i.test(reasonOf(error));
}

/** Whether the other of TLS and no TLS may succeed after this error. Not if the server is down. */
function mayBeOtherwise(error: unknown): boolean {
  if (error instanceof OrderonceError) return false;
  const state = sqlStateOf(error);
  // Class 28: pg_hba.conf may allow the connection only with TLS, or only without.
  if (state !== undefined) return state.startsWith('28');
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return !/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOENT)$/.test(code);
}

/** @returns `second` for a server that is used only if no `good` one answers. */
function fitOf(
  { isStandby, isReadOnly }: ServerFacts,
  wanted: SessionAttributes | undefined,
): 'good' | 'second' | 'bad' {
  switch (wanted) {
    case undefined:
      return isReadOnly ? 'second' : 'good';
    case 'any':
      return 'good';
    case 'read-write':
      return isReadOnly ? 'bad' : 'good';
    case 'read-only':
      return isReadOnly ? 'good' : 'bad';
    case 'primary':
      return isStandby ? 'bad' : 'good';
    case 'standby':
      return isStandby ? 'good' : 'bad';
    case 'prefer-standby':
      return isStandby ? 'good' : 'second';
  }
}

function tooLate(place: HostAndPort, ms: number): OrderonceError {
  const message = `${describeHost(place)} did not answer within ${ms} ms`;
  return new OrderonceError('DATABASE_UNAVAILABLE', message);
}

function refusal(
  route: Route,
  { isStandby, isReadOnly }: ServerFacts,
  wanted: SessionAttributes | undefined,
): OrderonceError {
  const role = isStandby ? 'a standby' : isReadOnly ? 'read-only' : 'a primary that accepts writes';
  const message = `${describeHost(route)} is ${role}, and target_session_attrs is ${wanted}`;
  return new OrderonceError('DATABASE_UNAVAILABLE', message);
}

function unavailable(failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  const reasons = failures.map(reasonOf).join('; ');
  return new OrderonceError(
    'DATABASE_UNAVAILABLE',
    `No host of DATABASE_URL can be used: ${reasons}`,
    {
      cause: failures[0],
    },
  );
}
