/** Where PostgreSQL is: the one that the settings name, or the embedded one. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OrderonceError } from '../errors.ts';
import { joinSchema } from '../settings/schema-url.ts';
import type { Settings } from '../settings/settings.ts';
import { createPool, type Pool, type PoolOptions } from '../store/pool.ts';

/**
 * With the schema of the tables in it, where that is set. For every command but `start`, which
 * brings the embedded PostgreSQL up itself.
 * @throws SETTING_INVALID when neither is there, saying how to get one; or when DATABASE_SCHEMA and
 * the URL name two schemas.
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
    'DATABASE_URL is not set and no embedded PostgreSQL runs here. ' +
      'Set DATABASE_URL, or run "npm start", which brings one up',
  );
}

/** A small pool for the embedded log and for commands. */
export function openPool(
  connectionString: string,
  name: string,
  limits: Partial<Pick<PoolOptions, 'queryTimeoutMs' | 'lifetimeMs'>> = {},
): Pool {
  const defaults = { connectionsMax: 4, queryTimeoutMs: 30_000 };
  return createPool({ connectionString, name, ...defaults, ...limits });
}
