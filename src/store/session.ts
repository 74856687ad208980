/**
 * A session with PostgreSQL. It knows whether it may be used again. When it is released, the pool
 * keeps it if `isReusable`, and otherwise closes it.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import pg from 'pg';
import { within } from '../runtime/deadline.ts';
import { closesSession, isConnectionBroken, isStatementNameLost } from './sqlstate.ts';
import type { StatementNames } from './statement-names.ts';
import type { SchemaName } from './statements.ts';
import { settledTypes } from './types.ts';

/** The driver's connection, which its types do not declare. */
type Wire = EventEmitter & { readonly stream: Socket };

/** The server of a session. After a restart or a failover it is another one. */
export type ServerFacts = {
  /** When its postmaster started, which identifies the server. */
  readonly server: string;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  /** The server's process id is not the one that we were given, so a pooler is in between. */
  readonly isPooled: boolean;
};

/** The driver's configuration, with what this class adds. */
export type SessionConfig = pg.ClientConfig & {
  /** Names for prepared statements; without them none are prepared. */
  readonly names?: StatementNames | undefined;
  /** The schema of our tables, which replaces the prefix in our statements; see statements.ts. */
  readonly schema?: SchemaName | undefined;
};

/**
 * Parameters that show that a session cannot write. PostgreSQL reports changes since release 14.
 */
const READ_ONLY_PARAMETERS = new Set(['in_hot_standby', 'default_transaction_read_only']);
const CLOSE_MS = 1000;
const RESET = `CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES`;

/** See the head of this file. Call start() before anything else. */
export class Session extends pg.Client {
  readonly openedAt = performance.now();
  readonly #names: StatementNames | undefined;
  readonly #schema: SchemaName | undefined;
  /** The server's version, as it reports it when the session begins. */
  readonly server = { major: 0 };
  #facts: ServerFacts | undefined;
  #isUseless = false;
  #isReadOnly = false;
  #isBroken = false;
  /** The number of statements without an answer, and since when there has been none. */
  #unanswered = 0;
  #silentSince = 0;
  #isTouched = false;

  constructor({ names, schema, ...config }: SessionConfig) {
    super(config);
    this.#names = names;
    this.#schema = schema;
    // The driver emits an error that arrives while no statement waits for an answer. Without a
    // listener it would end the process. It need not be thrown, since the next statement fails.
    this.on('error', () => {
      this.#isBroken = true;
    });
    const { wire } = this;
    // Errors are noted here and not in query(), so that an error that a handler caught counts too.
    wire.on('errorMessage', (error) => this.#note(error));
    wire.on('parameterStatus', ({ parameterName, parameterValue }) => {
      if (parameterName === 'server_version') {
        this.server.major = Number.parseInt(parameterValue, 10);
      }
      if (READ_ONLY_PARAMETERS.has(parameterName)) this.#isReadOnly ||= parameterValue === 'on';
    });
    wire.on('readyForQuery', () => {
      this.#unanswered = Math.max(0, this.#unanswered - 1);
      this.#silentSince = performance.now();
    });
  }

  private get wire(): Wire {
    return (this as unknown as { connection: Wire }).connection;
  }

  #note(error: unknown): void {
    this.#isUseless ||= closesSession(error);
    this.#isBroken ||= isConnectionBroken(error);
    if (isStatementNameLost(error)) this.#names?.noteLost(this.#facts?.isPooled ?? false);
  }

  // Our own statements use one of the driver's overloads. Any other call is passed on unchanged.
  override query: pg.ClientBase['query'] = (...args: unknown[]) => {
    if (this.#unanswered++ === 0) this.#silentSince = performance.now();
    const [text, values] = args;
    const isPlain = typeof text === 'string' && Array.isArray(values);
    const name = isPlain ? this.#names?.nameOf(text) : undefined;
    const filled = typeof text === 'string' ? this.#schema?.fill(text) : undefined;
    const run = super.query as (...args: unknown[]) => never;
    if (name === undefined && filled === undefined) return run.apply(this, args);
    const ofTypes = filled === undefined ? {} : { types: settledTypes };
    const config = { text: filled ?? text, ...ofTypes, ...(name === undefined ? {} : { name }) };
    return run.call(this, config, ...args.slice(1));
  };

  /**
   * Connects, and reads facts about the server.
   * @throws any failure; the caller must destroy() it.
   */
  async start(): Promise<ServerFacts> {
    await this.connect();
    const { rows } = await this.query(
      // As a number, because the text of a date depends on the session's time zone.
      `SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::text AS server,
              pg_catalog.pg_is_in_recovery() AS "isStandby",
              pg_catalog.current_setting('transaction_read_only') = 'on' AS "isReadOnly",
              pg_catalog.pg_backend_pid() AS pid`,
    );
    const { pid, ...facts } = rows[0];
    this.#facts = { ...facts, isPooled: pid !== this.backendPid };
    // The parameters at the start may be outdated: a pooler may have got them from another server.
    this.#isReadOnly = facts.isReadOnly;
    return this.#facts as ServerFacts;
  }

  /** The process id that we were given at the start. A pooler gives one of its own. */
  get backendPid(): number {
    return (this as unknown as { processID: number | null }).processID ?? 0;
  }

  /** @throws if it has not been started. */
  get facts(): ServerFacts {
    if (this.#facts === undefined) throw new Error('The session has not been started');
    return this.#facts;
  }

  /** The connection is gone, or the server has said that it ends the session. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** For how long the statement under way has had no answer, in ms; 0 if none is under way. */
  get silentMs(): number {
    return this.#unanswered === 0 ? 0 : performance.now() - this.#silentSince;
  }

  /** Bytes sent and received so far. While it grows, a large statement or answer is under way. */
  get bytesPassed(): number {
    const { bytesRead, bytesWritten, writableLength } = this.wire.stream;
    return bytesRead + bytesWritten - writableLength;
  }

  /**
   * Whether it may be used again: idle, in no transaction, able to write, without unknown errors.
   */
  get isReusable(): boolean {
    const isIdle = this.#unanswered === 0 && this.getTransactionStatus() === 'I';
    return isIdle && !this.#isUseless && !this.#isReadOnly && !this.#isBroken;
  }

  /** Closes it, gracefully if it is idle. Resolves within CLOSE_MS; never throws. */
  async close(): Promise<void> {
    if (this.#unanswered === 0 && !this.#isBroken) {
      const late = () => new Error('late');
      await within(CLOSE_MS, this.end(), late).catch(() => {});
    }
    this.destroy();
  }

  /** A handler has run in it, so it must be reset before the next use. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  touch(): void {
    this.#isTouched = true;
  }

  /**
   * Undoes what a handler can leave behind in a session. It does what DISCARD ALL does, except that
   * it keeps prepared statements. Behind a pooler it does nothing, since the statement might reach
   * another session of the server. Never throws; after an error isReusable is false.
   */
  async reset(): Promise<void> {
    this.#isTouched = false;
    if (!this.facts.isPooled) await this.query(RESET).catch(() => {});
  }

  /** Closes the connection immediately. A statement under way fails. */
  destroy(): void {
    this.#isBroken = true;
    this.wire.stream.destroy();
  }
}

/** Call it before a handler runs in a transaction. */
export function noteForeignCode(tx: pg.ClientBase): void {
  if (tx instanceof Session) tx.touch();
}
