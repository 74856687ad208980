import { OrderonceError, reasonOf } from '../errors.ts';
import { eventModelOf } from '../services/event-model.ts';
import { createLog } from '../services/open-log.ts';
import type { Settings } from '../settings/settings.ts';
import { migrate } from '../store/migrate.ts';
import type { Pool } from '../store/pool.ts';
import { isConnectionBroken } from '../store/sqlstate.ts';
import { onceAvailable } from '../verify/patient-reads.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';

/** What `orderonce migrate` did. */
export type MigrateReport = {
  /** Names of the applied migrations; `orders` if that table was created later than the others. */
  readonly migrations: readonly string[];
  readonly schema: string;
  readonly log: string;
  readonly log_created: boolean;
};

/**
 * Creates the tables, those of the handlers too, then the topic or the embedded log, each only if it
 * is missing.
 * @param onWait called while a table is locked by others.
 * @param patienceMs how long to wait for a log that does not answer.
 */
export async function migrateAll(
  settings: Settings,
  pool: Pool,
  onWait: (why: string) => void,
  patienceMs?: number,
): Promise<MigrateReport> {
  const { rules, projection } = await eventModelOf(settings);
  const migrations = await migrate(pool, {
    projection,
    declared: rules.declared,
    handlerMigrations: settings.HANDLERS_MIGRATIONS,
    onWait,
  });
  const log_created = await onceAvailable(() => createLog(settings, () => pool), patienceMs);
  return { migrations, schema: pool.schema ?? '', log: settings.KAFKA_TOPIC, log_created };
}

/** `orderonce migrate`. It is safe to repeat, also while another one runs. @returns exit code 0. */
export async function runMigrate({ settings, out }: Call): Promise<number> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-migrate');
  try {
    const onWait = (why: string) => out.say(`Waiting for a lock on a table: ${why}`);
    const report = await migrateAll(settings, pool, onWait).catch((error: unknown) => {
      if (!isConnectionBroken(error)) throw error;
      throw new OrderonceError('DATABASE_UNAVAILABLE', reasonOf(error), { cause: error });
    });
    out.data(lineOf(report), report);
    return EXIT.ok;
  } finally {
    await pool.end();
  }
}

/** The table `orders` starts empty: the events that are stored already are not added to it. */
const ORDERS_BEGIN =
  ' The new table orders counts events from now on. Events stored before are not in its sums, and ' +
  '"orderonce verify" reports their orders. See docs/operations.md, "Turn the orders projection on".';

function lineOf({ migrations, schema, log, log_created }: MigrateReport): string {
  const tables =
    migrations.length === 0 ? 'Tables are up to date' : `Applied ${migrations.join(', ')}`;
  const ofOrders = migrations.includes('orders') ? ORDERS_BEGIN : '';
  return `${tables}, in the schema ${schema}. Log "${log}" ${log_created ? 'created' : 'exists'}.${ofOrders}`;
}
