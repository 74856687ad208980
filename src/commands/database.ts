/** How commands find PostgreSQL: the server in the settings, or else the embedded one. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OrderonceError } from '../errors.ts';
import { joinSchema } from '../settings/schema-url.ts';
import type { Settings } from '../settings/settings.ts';
import { createPool, type Pool, type PoolOptions } from '../store/pool.ts';

/**
 * Finds the URL of PostgreSQL. It includes the schema of the tables if DATABASE_SCHEMA is set. All
 * commands use it except `start`, which starts the embedded PostgreSQL itself.
 * @throws SETTING_INVALID if there is neither DATABASE_URL nor a running embedded PostgreSQL, or if
 * DATABASE_SCHEMA and the URL name different schemas.
 */
export async function databaseUrlOf(settings: Settings): Promise<string> {
  return joinSchema(await urlOf(settings), settings.DATABASE_SCHEMA);
}

async function urlOf({ DATABASE_URL, ORDERONCE_DATA_DIR }: Settings): Promise<string> {
  if (DATABASE_URL !== undefined) return DATABASE_URL;
  const file = join(ORDERONCE_DATA_DIR, 'database-url');
  const url = await readFile(file, 'utf8').catch(() => null);
  if (url !== null) return url.trim();
  throw new OrderonceError(
    'SETTING_INVALID',
    'DATABASE_URL is not set, and no embedded PostgreSQL runs on this machine. ' +
      'Set DATABASE_URL, or run "npm start", which starts one',
  );
}

/**
 * Opens a small pool for a command or for the embedded log: 4 connections, and 30 s for a query
 * unless `limits` says otherwise. The caller must end it.
 */
export function openPool(
  connectionString: string,
  name: string,
  limits: Partial<Pick<PoolOptions, 'queryTimeoutMs' | 'lifetimeMs'>> = {},
): Pool {
  const defaults = { connectionsMax: 4, queryTimeoutMs: 30_000 };
  return createPool({ connectionString, name, ...defaults, ...limits });
}
