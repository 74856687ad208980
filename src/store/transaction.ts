import type { PoolClient } from 'pg';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import { inPhase } from '../tracing/tracing.ts';
import type { Transaction } from './queryable.ts';
import { closesSession, isConnectionBroken } from './sqlstate.ts';
import { type ServerVersion, serverOf } from './statements.ts';

/** The advisory lock of `lockParking`. The number is arbitrary. */
const PARKING_LOCK = 7_140_211_003;

/**
 * How long the reply to COMMIT is waited for. If it is lost, waiting longer does not help: only a
 * new attempt on another connection finds out the outcome. This does not interrupt the server.
 */
const COMMIT_MS = 4000;

/** A pool, or anything else that gives connections. */
export type Connector = { connect(): Promise<PoolClient> };

/** Server-side limits of a transaction in ms; 0 means no limit. */
export type TransactionLimits = {
  readonly lockMs: number;
  readonly statementMs: number;
  readonly idleMs: number;
};

/**
 * Runs `work` in a READ COMMITTED transaction on a connection of its own, and commits it.
 *
 * The isolation level must be READ COMMITTED. Classifying records needs to see rows that another
 * transaction committed after this one began.
 *
 * @returns what `work` returned, after PostgreSQL has confirmed the COMMIT.
 * @throws whatever failed; COMMIT_ROLLED_BACK. If the connection broke during COMMIT, the outcome
 * is unknown, and the caller must find it out. The batch transaction does so by its fence.
 */
export async function inTransaction<T>(
  pool: Connector,
  limits: TransactionLimits,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await run(pool, (server) => beginText(limits, server), work);
}

/**
 * The same for a transaction that stores events. It holds the shared parking lock, so no
 * transaction that parks can commit meanwhile. An event id or an order that no dead letter has when
 * this transaction looks therefore stays free until it commits.
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
 * Runs `work` on one snapshot (REPEATABLE READ, READ ONLY). What others commit meanwhile is not
 * visible, and nothing can be written.
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
 * Takes the parking lock exclusively until COMMIT. A transaction that parks must call this at its
 * end, and then check once more that no other partition has taken the ids that it parks and stores.
 * It waits for the transactions that hold the lock: those that store events, and another one that
 * parks and has come to its end. Others then wait until this one has committed.
 */
export async function lockParking(tx: Transaction): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(${PARKING_LOCK})`);
}

/** The result of an attempt. After a failure nothing of it is left. */
export type Attempt<T> = { readonly value: T } | { readonly failure: unknown };

/**
 * Runs `work` in a savepoint, and undoes it if it fails. The transaction can continue either way.
 * Savepoints may be nested.
 *
 * @param query runs a statement in the transaction.
 * @param name of the savepoint. Use different names if savepoints may overlap without being nested,
 * as those of a handler may. PostgreSQL then refuses an impossible order of ends; with equal names
 * it would undo the wrong statements.
 * @throws what `work` threw, if the transaction has ended too, for example with its session.
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
 * Lets PostgreSQL check deferred constraints now, so that a failure undoes only the current
 * savepoint. At COMMIT it would undo the whole transaction. Afterwards they are deferred again,
 * because later statements may need that.
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
    const commit = () => within(COMMIT_MS, client.query('COMMIT'), noReply);
    const { command } = await inPhase('commit', commit);
    // COMMIT of a failed transaction is no error. It stores nothing, and its tag is ROLLBACK.
    if (command !== 'COMMIT') {
      throw new OrderonceError('COMMIT_ROLLED_BACK', `PostgreSQL answered COMMIT with ${command}`);
    }
    return result;
  } catch (error) {
    // Roll back even if the session will be closed, so that its locks are free before the next try.
    const isRolledBack = !isConnectionBroken(error) && (await rolledBack(client));
    isUnfit = !isRolledBack || closesSession(error);
    throw error;
  } finally {
    client.release(isUnfit);
  }
}

/**
 * Begins a transaction with all settings that decide how it runs, whatever role and database have
 * set. They are set for the transaction and not for the session, so that they also hold behind a
 * pooler in transaction mode. Settings that decide how values are written and read are left alone:
 * handlers in the same transaction may rely on them, and our statements do not depend on them
 * (types.ts).
 *
 * The transaction does not set READ WRITE, because operators, and hosts whose disk is full, stop
 * writes with default_transaction_read_only. Servers before 17 do not know transaction_timeout.
 * BEGIN has no parameters, so the numbers are put into the text; they come from our own settings.
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
