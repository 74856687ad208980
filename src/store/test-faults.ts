/**
 * Failures that the test kit injects between a pool and PostgreSQL. PostgreSQL really aborts the
 * transaction, rolls it back, or commits it, as it would after the real failure.
 */
import type { Pool } from './pool.ts';
import type { Session } from './session.ts';

export type Fault =
  /** The connection breaks before the statement is sent. */
  | 'lost connection'
  /** PostgreSQL answers the statement with deadlock_detected, and the transaction is aborted. */
  | 'deadlock'
  /** COMMIT fails: PostgreSQL rolls back, and the connection breaks. */
  | 'rolled back'
  /** PostgreSQL commits, and the connection breaks before its reply arrives. */
  | 'lost reply';

/** A statement that is about to be sent, of one transaction. */
export type StatementSeen = {
  /** BEGIN is 1. */
  readonly number: number;
  readonly isCommit: boolean;
};

/** Decides about each statement; null lets it pass. The statement waits for a promise. */
export type FaultRule = (statement: StatementSeen) => Fault | null | Promise<null>;

const DEADLOCK = `DO $$ BEGIN
  RAISE EXCEPTION 'deadlock detected (injected by provesExactlyOnce)' USING ERRCODE = '40P01';
END $$`;

/** Puts the rule in front of all connections that the pool hands out from now on. */
export function disturb(pool: Pool, rule: FaultRule): void {
  const connect = pool.connect.bind(pool);
  pool.connect = async () => {
    const client = await connect();
    const session = client as unknown as Session;
    const query = session.query;
    const release = client.release;
    const faulty = disturbed(query, rule);
    session.query = faulty.query;
    client.release = (isUnfit) => {
      session.query = query;
      // A lost one is as good as new, and a new one would cost some milliseconds for each failure.
      release(faulty.isLost() ? false : isUnfit);
    };
    return client;
  };
}

/**
 * From a loss on, every statement fails as on a connection that has broken. To PostgreSQL that is a
 * ROLLBACK, so this is what it is sent.
 */
function disturbed(query: Session['query'], rule: FaultRule) {
  const send = query as (...args: unknown[]) => Promise<unknown>;
  let number = 0;
  let isLost = false;
  const run = (async (...args: unknown[]) => {
    if (isLost) throw connectionLost();
    const text = textOf(args[0]);
    number = text.startsWith('BEGIN') ? 1 : number + 1;
    const isCommit = text === 'COMMIT';
    const verdict = text.startsWith('ROLLBACK') ? null : rule({ number, isCommit });
    const fault = verdict instanceof Promise ? await verdict : verdict;
    if (fault === null) return await send(...args);
    if (fault === 'deadlock') return await send(DEADLOCK);
    isLost = true;
    await (fault === 'lost reply' ? send(...args) : number > 1 && send('ROLLBACK'));
    throw connectionLost();
  }) as Session['query'];
  return { query: run, isLost: () => isLost };
}

function textOf(statement: unknown): string {
  const text = typeof statement === 'string' ? statement : (statement as { text?: unknown }).text;
  return typeof text === 'string' ? text : '';
}

/** As the driver reports it. */
function connectionLost(): Error {
  return new Error('Connection terminated unexpectedly (injected by provesExactlyOnce)');
}
