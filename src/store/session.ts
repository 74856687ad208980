/**
 * One session with PostgreSQL. It knows of itself whether it may be used again: the pool asks
 * `isReusable` whenever one comes back, and closes it otherwise.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import pg from 'pg';
import { within } from '../runtime/deadline.ts';
import { closesSession, isConnectionBroken, isStatementNameLost } from './sqlstate.ts';
import type { StatementNames } from './statement-names.ts';
import type { SchemaName } from './statements.ts';
import { settledTypes } from './types.ts';

/** The driver's connection, of which its types say nothing. */
type Wire = EventEmitter & { readonly stream: Socket };

/** Which server answers, as one that is restarted or failed over is another. */
export type ServerFacts = {
  /** When its postmaster started: no two servers have this in common. */
  readonly server: string;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  /** Another process id than the one that we were told: something between us shares sessions. */
  readonly isPooled: boolean;
};

export type SessionConfig = pg.ClientConfig & {
  readonly names?: StatementNames | undefined;
  /** Of our tables, which our statements name by a mark; see statements.ts. */
  readonly schema?: SchemaName | undefined;
};

/** Server parameters whose change makes a session useless for writing; reported since release 14. */
const READ_ONLY_PARAMETERS = new Set(['in_hot_standby', 'default_transaction_read_only']);
const CLOSE_MS = 1000;
const RESET = `CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES`;

export class Session extends pg.Client {
  readonly openedAt = performance.now();
  readonly #names: StatementNames | undefined;
  readonly #schema: SchemaName | undefined;
  /** As the server reports it; see transaction.ts. */
  readonly server = { major: 0 };
  #facts: ServerFacts | undefined;
  #isUseless = false;
  #isReadOnly = false;
  #isBroken = false;
  /** Statements without an answer, and since when there has been none. */
  #unanswered = 0;
  #silentSince = 0;
  #isTouched = false;

  constructor({ names, schema, ...config }: SessionConfig) {
    super(config);
    this.#names = names;
    this.#schema = schema;
    // From the first moment to the last: an error that comes while nobody waits for an answer is
    // emitted, and without a listener it would end the process. The next statement fails anyway.
    this.on('error', () => {
      this.#isBroken = true;
    });
    const { wire } = this;
    // Here, and not where statements are run: an error that a handler swallowed counts as well.
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

  // The driver's overloads, of which only one is for us: whatever else comes is passed on as it is.
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

  /** Connects, and asks the server about itself. @throws whatever fails; then destroy() it. */
  async start(): Promise<ServerFacts> {
    await this.connect();
    const { rows } = await this.query(
      // As a number: a date's text would differ with a session's time zone.
      `SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::text AS server,
              pg_catalog.pg_is_in_recovery() AS "isStandby",
              pg_catalog.current_setting('transaction_read_only') = 'on' AS "isReadOnly",
              pg_catalog.pg_backend_pid() AS pid`,
    );
    const { pid, ...facts } = rows[0];
    this.#facts = { ...facts, isPooled: pid !== this.backendPid };
    // What was reported at the beginning may be what a pooler once heard from another server.
    this.#isReadOnly = facts.isReadOnly;
    return this.#facts as ServerFacts;
  }

  /** As the server told it when we connected; a pooler tells one of its own. */
  get backendPid(): number {
    return (this as unknown as { processID: number | null }).processID ?? 0;
  }

  /** @throws unless it was started. */
  get facts(): ServerFacts {
    if (this.#facts === undefined) throw new Error('The session has not been started');
    return this.#facts;
  }

  /** The connection is gone, or the server said that it ends it. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** For how long the statement under way has had no answer, in ms; 0 where there is none. */
  get silentMs(): number {
    return this.#unanswered === 0 ? 0 : performance.now() - this.#silentSince;
  }

  /** Bytes that passed either way: a large statement or answer may be under way for long. */
  get bytesPassed(): number {
    const { bytesRead, bytesWritten, writableLength } = this.wire.stream;
    return bytesRead + bytesWritten - writableLength;
  }

  /** Whether it is as good as new: idle, outside of a transaction, able to write, no error unknown. */
  get isReusable(): boolean {
    const isIdle = this.#unanswered === 0 && this.getTransactionStatus() === 'I';
    return isIdle && !this.#isUseless && !this.#isReadOnly && !this.#isBroken;
  }

  /** In order where it is idle, immediately where it hangs. Resolves within CLOSE_MS; never throws. */
  async close(): Promise<void> {
    if (this.#unanswered === 0 && !this.#isBroken) {
      const late = () => new Error('late');
      await within(CLOSE_MS, this.end(), late).catch(() => {});
    }
    this.destroy();
  }

  /** What other people's code may have left in it is undone before the next use. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  touch(): void {
    this.#isTouched = true;
  }

  /**
   * Undoes what code of others can leave behind: DISCARD ALL, but for the prepared statements. Not
   * behind a pooler: the next statement may run in another session of the server. Never throws: an
   * error shows in isReusable.
   */
  async reset(): Promise<void> {
    this.#isTouched = false;
    if (!this.facts.isPooled) await this.query(RESET).catch(() => {});
  }

  /** Cuts the connection; a statement under way fails. */
  destroy(): void {
    this.#isBroken = true;
    this.wire.stream.destroy();
  }
}

/** To be called before code that is not ours runs in a transaction. */
export function noteForeignCode(tx: pg.ClientBase): void {
  if (tx instanceof Session) tx.touch();
}
