import type { PoolClient } from 'pg';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import type { Transaction } from './queryable.ts';
import { closesSession, isConnectionBroken } from './sqlstate.ts';
import { type ServerVersion, serverOf } from './statements.ts';

/** Any fixed number: see lockParking. */
const PARKING_LOCK = 7_140_211_003;

/**
 * Where the reply to COMMIT is lost the outcome is unknown, and waiting longer does not tell it: a
 * new attempt does, on another connection. The server is not interrupted by this.
 */
const COMMIT_MS = 4000;

/** Whatever gives connections: a pool. */
export type Connector = { connect(): Promise<PoolClient> };

/** Server-side limits of one transaction, in ms; all lie below the group's session time-out. */
export type TransactionLimits = {
  readonly lockMs: number;
  readonly statementMs: number;
  readonly idleMs: number;
};

/**
 * Runs `work` in one READ COMMITTED transaction on a connection of its own and commits it.
 *
 * READ COMMITTED is needed, not merely enough: the statement that classifies must see rows that
 * another transaction committed after this one began.
 *
 * @returns what `work` returned, once PostgreSQL has said that it committed.
 * @throws whatever failed. When the connection broke during COMMIT the outcome is unknown: the
 * caller must find out (the heart does so by its compare-and-set position).
 */
export async function inTransaction<T>(
  pool: Connector,
  limits: TransactionLimits,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await run(pool, (server) => beginText(limits, server), work);
}

/**
 * The same for a transaction that stores events: while it runs, none that parks commits. So an id
 * or an order that is free when it looks stays free until it commits.
 */
export async function inStoringTransaction<T>(
  pool: Connector,
  limits: TransactionLimits,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const lock = `SELECT pg_advisory_xact_lock_shared(${PARKING_LOCK})`;
  return await run(pool, (server) => `${beginText(limits, server)}; ${lock}`, work);
}

/**
 * Reads on one snapshot: others may commit meanwhile, and nothing of it shows. Nothing can be
 * written.
 */
export async function inSnapshot<T>(
  pool: Connector,
  limits: TransactionLimits,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const mode = 'REPEATABLE READ READ ONLY';
  return await run(pool, (server) => beginText(limits, server, mode), work);
}

/**
 * To be called last by a transaction that parks, then it must look once more at the ids it parks
 * and stores: waits until no other stores or parks, and keeps it so until COMMIT.
 */
export async function lockParking(tx: Transaction): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(${PARKING_LOCK})`);
}

/** What came of an attempt; after a failure nothing of it is left. */
export type Attempt<T> = { readonly value: T } | { readonly failure: unknown };

/**
 * Runs `work` in a savepoint, and undoes it where it fails: the transaction goes on either way.
 * Savepoints may lie in one another.
 *
 * @param query of the transaction.
 * @param name of its own where others may be open beside it, instead of around it: then an order of
 * ends that cannot be is an error, where one name would undo the wrong statements.
 * @throws what `work` threw, where that took the transaction along (it ended the session).
 */
export async function inSavepoint<T>(
  query: (text: string) => Promise<unknown>,
  work: () => Promise<T>,
  name = 'attempt',
): Promise<Attempt<T>> {
  await query(`SAVEPOINT ${name}`);
  let value: T;
  try {
    value = await work();
  } catch (failure) {
    try {
      await query(`ROLLBACK TO SAVEPOINT ${name}`);
      await query(`RELEASE SAVEPOINT ${name}`);
    } catch {
      throw failure;
    }
    return { failure };
  }
  await query(`RELEASE SAVEPOINT ${name}`);
  return { value };
}

/**
 * Has PostgreSQL check deferred constraints now: one that fails only at COMMIT takes the whole
 * transaction along. Afterwards they are deferred again, since later statements may need it.
 */
export async function checkDeferredConstraints(tx: Transaction): Promise<void> {
  await tx.query('SET CONSTRAINTS ALL IMMEDIATE');
  await tx.query('SET CONSTRAINTS ALL DEFERRED');
}

async function run<T>(
  pool: Connector,
  begin: (server: ServerVersion) => string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let isUnfit = false;
  try {
    await client.query(begin(serverOf(client)));
    const result = await work(client);
    const { command } = await within(COMMIT_MS, client.query('COMMIT'), noReply);
    // COMMIT of a failed transaction succeeds, with the tag ROLLBACK, and stores nothing.
    if (command !== 'COMMIT') {
      throw new OrderonceError('COMMIT_ROLLED_BACK', `COMMIT was answered ${command}`);
    }
    return result;
  } catch (error) {
    // Rolled back also where it will be closed: so its locks are free before the next attempt.
    const isRolledBack = !isConnectionBroken(error) && (await rolledBack(client));
    isUnfit = !isRolledBack || closesSession(error);
    throw error;
  } finally {
    client.release(isUnfit);
  }
}

/**
 * Settings go with the transaction, not the session, so that they hold behind a pooler in
 * transaction mode. All that a role or database may have set and that decides how a transaction
 * runs is said here; what decides how values are written and read is not, since handlers in the
 * same transaction have a right to it: our statements do not depend on it (types.ts).
 *
 * Whether it may write is not said: default_transaction_read_only is how operators, and hosts whose
 * disk is full, hold writes back. Servers before 17 know no transaction_timeout. The numbers come from
 * our own settings table, and the statement takes no parameters.
 */
function beginText(
  { lockMs, statementMs, idleMs }: TransactionLimits,
  { major }: ServerVersion,
  mode = 'READ COMMITTED',
): string {
  const ofAll = major >= 17 ? '; SET LOCAL transaction_timeout = 0' : '';
  return `BEGIN ISOLATION LEVEL ${mode} NOT DEFERRABLE; SET LOCAL synchronous_commit = on;
SET LOCAL lock_timeout = ${Math.trunc(lockMs)}; SET LOCAL statement_timeout = ${Math.trunc(statementMs)};
SET LOCAL idle_in_transaction_session_timeout = ${Math.trunc(idleMs)}; SET LOCAL exit_on_error = off${ofAll}`;
}

function noReply(): OrderonceError {
  const message = `PostgreSQL did not reply to COMMIT within ${COMMIT_MS} ms: its outcome is unknown`;
  return new OrderonceError('DATABASE_UNAVAILABLE', message);
}

async function rolledBack(client: Transaction): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
