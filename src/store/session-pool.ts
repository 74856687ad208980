/**
 * A pool that does not keep sessions that have become unusable. A released session is kept only if:
 *
 * - It is idle, can write, and has had only errors that are known to concern just the statement
 *   (`Session.isReusable`, sqlstate.ts).
 * - It is younger than its lifetime, which varies by a fifth so that sessions do not all end at the
 *   same time.
 * - It is with the server that answered last. After a failover, sessions with the old one are
 *   closed.
 * - No session of this pool has broken or gone unanswered since it was opened. What happened to one
 *   session has most likely happened to all.
 *
 * While the server is down, one connection at a time is tried, and all waiting callers get its
 * error.
 */
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { OrderonceError } from '../errors.ts';
import type { KnownServers } from './connect.ts';
import { endIfReplyIsLost } from './lost-replies.ts';
import type { Session } from './session.ts';

/** How a pool opens sessions, how many it has, and how old they become (ms). */
export type SessionPoolOptions = {
  readonly open: () => Promise<Session>;
  readonly known: KnownServers;
  readonly sessionsMax: number;
  readonly lifetimeMs: number;
};

type Waiter = { resolve(session: pg.PoolClient): void; reject(error: unknown): void };

/** How long connect() waits for a free session. */
const ACQUIRE_MS = 5000;
const IDLE_MS = 60_000;
const SWEEP_MS = 1000;
const LIFETIME_JITTER = 0.2;
type Membership = { readonly expiresAt: number; idleSince: number };

/** See the head of this file. It emits `acquire` whenever a session is handed out. */
export class SessionPool extends EventEmitter<{ acquire: [pg.PoolClient] }> {
  readonly #options: SessionPoolOptions;
  readonly #members = new Map<Session, Membership>();
  /** A stack; the session that was used last is on top. */
  readonly #idle: Session[] = [];
  readonly #closing = new Set<Promise<void>>();
  #connecting = 0;
  #isAway = false;
  #waiting: Waiter[] = [];
  /** Sessions that were opened before this time are not kept. */
  #distrustedUntil = Number.NEGATIVE_INFINITY;
  #sweeper: NodeJS.Timeout | undefined;
  #ended: PromiseWithResolvers<void> | null = null;

  constructor(options: SessionPoolOptions) {
    super();
    this.#options = options;
  }

  get #size(): number {
    return this.#members.size + this.#connecting;
  }

  /** Runs one statement on a session of its own. */
  readonly query = (async (text: string, values?: unknown[]) => {
    const session = await this.connect();
    try {
      return await session.query(text, values);
    } finally {
      session.release();
    }
  }) as pg.ClientBase['query'];

  /**
   * @returns a session for this caller only. It must be released exactly once; release(true) closes
   * it.
   * @throws the error of a failed connection; DATABASE_UNAVAILABLE if none is free for ACQUIRE_MS.
   */
  async connect(): Promise<pg.PoolClient> {
    if (this.#ended !== null) throw new Error('The pool has been ended');
    const kept = this.#takeIdle();
    if (kept !== null) return this.#handOut(kept);
    const { promise, resolve, reject } = Promise.withResolvers<pg.PoolClient>();
    const waiter = { resolve, reject };
    const timer = setTimeout(() => {
      this.#waiting = this.#waiting.filter((other) => other !== waiter);
      const message = `No connection to PostgreSQL was free within ${ACQUIRE_MS} ms`;
      reject(new OrderonceError('DATABASE_UNAVAILABLE', message));
    }, ACQUIRE_MS);
    this.#waiting.push(waiter);
    this.#openMore();
    return await promise.finally(() => clearTimeout(timer));
  }

  /** Ends the pool. Resolves when every session is closed; those in use close when released. */
  async end(): Promise<void> {
    this.#ended ??= Promise.withResolvers<void>();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('The pool has been ended'));
    for (const session of this.#idle.splice(0)) this.#close(session);
    this.#resolveIfEmpty();
    await this.#ended.promise;
    await Promise.all(this.#closing);
  }

  #takeIdle(): Session | null {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (this.#isKept(session)) return session;
      this.#close(session);
    }
    return null;
  }

  #isKept(session: Session): boolean {
    const { expiresAt = 0 } = this.#members.get(session) ?? {};
    return (
      session.isReusable &&
      performance.now() < expiresAt &&
      session.openedAt > this.#distrustedUntil &&
      session.facts.server === this.#options.known.current
    );
  }

  #openMore(): void {
    while (
      this.#waiting.length > this.#connecting &&
      this.#size < this.#options.sessionsMax &&
      !(this.#isAway && this.#connecting > 0)
    ) {
      this.#connecting++;
      void this.#openOne();
    }
  }

  async #openOne(): Promise<void> {
    let session: Session;
    try {
      session = await this.#options.open();
    } catch (error) {
      this.#connecting--;
      this.#isAway = true;
      // If sessions are in use, the other waiting callers may still get one of those.
      const waiting = this.#waiting.splice(0, this.#size === 0 ? this.#waiting.length : 1);
      for (const { reject } of waiting) reject(error);
      this.#openMore();
      this.#resolveIfEmpty();
      return;
    }
    this.#connecting--;
    this.#isAway = false;
    const lifetimeMs = this.#options.lifetimeMs * (1 - LIFETIME_JITTER * Math.random());
    this.#members.set(session, { expiresAt: session.openedAt + lifetimeMs, idleSince: 0 });
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    this.#give(session);
    this.#openMore();
  }

  #give(session: Session): void {
    const waiter = this.#waiting.shift();
    if (this.#ended !== null) this.#close(session);
    else if (waiter !== undefined) waiter.resolve(this.#handOut(session));
    else this.#keep(session);
  }

  #keep(session: Session): void {
    (this.#members.get(session) as Membership).idleSince = performance.now();
    this.#idle.push(session);
  }

  #handOut(session: Session): pg.PoolClient {
    let isReleased = false;
    const release = (isUnfit: Error | boolean = false) => {
      if (isReleased) throw new Error('The session has been released already');
      isReleased = true;
      void this.#takeBack(session, isUnfit !== false);
    };
    const pooled = Object.assign(session, { release });
    this.emit('acquire', pooled);
    return pooled;
  }

  async #takeBack(session: Session, isUnfit: boolean): Promise<void> {
    if (session.isBroken || session.silentMs > 0) this.#distrustedUntil = performance.now();
    if (!isUnfit && session.isTouched && this.#isKept(session)) await session.reset();
    if (!isUnfit && this.#isKept(session)) {
      this.#give(session);
      return;
    }
    this.#close(session);
    this.#openMore();
  }

  #close(session: Session): void {
    this.#members.delete(session);
    const closing = session.close().then(() => void this.#closing.delete(closing));
    this.#closing.add(closing);
    this.#resolveIfEmpty();
  }

  #resolveIfEmpty(): void {
    if (this.#size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    this.#ended?.resolve();
  }

  /** Closes idle sessions that are no longer kept, and looks for lost replies. */
  #sweep(): void {
    const now = performance.now();
    for (const session of [...this.#idle]) {
      const { idleSince = 0 } = this.#members.get(session) ?? {};
      if (this.#isKept(session) && now - idleSince < IDLE_MS) continue;
      this.#idle.splice(this.#idle.indexOf(session), 1);
      this.#close(session);
    }
    void endIfReplyIsLost([...this.#members.keys()], this.#options.open);
  }
}
