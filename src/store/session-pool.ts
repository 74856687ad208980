/**
 * A pool that keeps no session which became useless. A session that comes back is kept only if
 *
 * - it is idle, can write, and met no error but those known to be about the statement
 *   (`Session.isReusable`, sqlstate.ts);
 * - it is younger than its lifetime, which varies by a fifth so that not all end together;
 * - it is with the server that answered last: after a failover those with the old one are dropped;
 * - none of this pool broke or went unanswered since it was opened: what happened to one has most
 *   likely happened to all.
 *
 * While the server is away one connection at a time is tried, and all who wait get its error.
 */
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { OrderonceError } from '../errors.ts';
import type { KnownServers } from './connect.ts';
import { endIfReplyIsLost } from './lost-replies.ts';
import type { Session } from './session.ts';

export type SessionPoolOptions = {
  readonly open: () => Promise<Session>;
  readonly known: KnownServers;
  readonly sessionsMax: number;
  readonly lifetimeMs: number;
};

type Waiter = { resolve(session: pg.PoolClient): void; reject(error: unknown): void };

const ACQUIRE_MS = 5000;
const IDLE_MS = 60_000;
const SWEEP_MS = 1000;
const LIFETIME_JITTER = 0.2;
type Membership = { readonly expiresAt: number; idleSince: number };

export class SessionPool extends EventEmitter<{ acquire: [pg.PoolClient] }> {
  readonly #options: SessionPoolOptions;
  readonly #members = new Map<Session, Membership>();
  /** The one used last on top. */
  readonly #idle: Session[] = [];
  readonly #closing = new Set<Promise<void>>();
  #connecting = 0;
  #isAway = false;
  #waiting: Waiter[] = [];
  /** Sessions that were opened before are not kept. */
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
   * @returns a session for the caller alone, to be released exactly once; with true it is closed.
   * @throws why none could be opened; DATABASE_UNAVAILABLE where all are in use for too long.
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

  /** Resolves when every session is closed: those in use, when they are released. */
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
      // Where some are in use, those who wait may still get one of them.
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

  /** Closes idle sessions that are no longer to be kept, and finds lost replies. */
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
