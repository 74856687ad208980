/**
 * Opens a session with the server that DATABASE_URL means: the first of its hosts, and of each
 * host's addresses, that answers and is what target_session_attrs asks for. A standby, or an old
 * primary that became one, is refused here, before anything is asked of it.
 *
 * Without target_session_attrs a writable server is preferred and any other taken: whoever names
 * one host gets that one, and whoever names several gets the primary.
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

/** For one address, from TCP to the first answer: what comes later is treated as not there. */
const CONNECT_MS = 2500;

/** One way to reach a server. */
type Route = HostAndPort & { readonly address: string };

/** What this process knows of the servers behind one DATABASE_URL; shared by all of its pools. */
export class KnownServers {
  /** Tried first: a host that hangs costs its time-out once, not with every connection. */
  #lastGood: string | null = null;
  /** Which server answered last: sessions with another one are left over from before a failover. */
  current: string | null = null;

  prefer(routes: readonly Route[]): Route[] {
    return routes.toSorted((a, b) => this.#rank(a) - this.#rank(b));
  }

  #rank(route: Route): number {
    return keyOf(route) === this.#lastGood ? 0 : 1;
  }

  noteGood(route: Route, { server }: ServerFacts): void {
    this.#lastGood = keyOf(route);
    this.current = server;
  }
}

function keyOf({ host, address, port }: Route): string {
  return `${host} ${address} ${port}`;
}

/**
 * @param base what all sessions of a pool have in common.
 * @throws the one error where there is one place to ask; DATABASE_UNAVAILABLE naming each place's
 * where there are several. Within CONNECT_MS (or connect_timeout) for each.
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

/** Asked for each time: after a failover a name may lead elsewhere. */
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
      // The first reason is the better one, unless it only says that there is no TLS.
      failure = failure === undefined || isAboutTls(failure) ? error : failure;
      if (!mayBeOtherwise(error)) break;
    }
  }
  throw failure;
}

function isAboutTls(error: unknown): boolean {
  return /does not support SSL/i.test(reasonOf(error));
}

/** Whether the other way, with or without TLS, may succeed: not where the server is away. */
function mayBeOtherwise(error: unknown): boolean {
  if (error instanceof OrderonceError) return false;
  const state = sqlStateOf(error);
  // 28: pg_hba.conf may admit us the other way only.
  if (state !== undefined) return state.startsWith('28');
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return !/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOENT)$/.test(code);
}

/** @returns `second` for what is taken only where nothing better answers. */
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
  const message = `${describeHost(place)} does not answer within ${ms} ms`;
  return new OrderonceError('DATABASE_UNAVAILABLE', message);
}

function refusal(
  route: Route,
  { isStandby, isReadOnly }: ServerFacts,
  wanted: SessionAttributes | undefined,
): OrderonceError {
  const role = isStandby ? 'a standby' : isReadOnly ? 'read-only' : 'a primary that takes writes';
  const message = `${describeHost(route)} is ${role}, and target_session_attrs is ${wanted}`;
  return new OrderonceError('DATABASE_UNAVAILABLE', message);
}

function unavailable(failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  const reasons = failures.map(reasonOf).join('; ');
  return new OrderonceError('DATABASE_UNAVAILABLE', `No host of DATABASE_URL will do: ${reasons}`, {
    cause: failures[0],
  });
}
