import pg from 'pg';
import { createPool, type Pool } from '../src/store/pool.ts';
import type { Servers } from './servers.ts';

/** Creates a database: an empty one, or a copy of `template`. @returns its URL. */
export async function freshDatabase(
  { databaseUrl }: Servers,
  name: string,
  template = 'template1',
): Promise<string> {
  // A pool would send this in a transaction, where CREATE DATABASE is not allowed.
  const admin = new pg.Client({ connectionString: databaseUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  await admin.end();
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Opens a pool whose queries may take up to 20 minutes. The caller must end it. */
export function openPool(connectionString: string, connectionsMax = 2): Pool {
  const limits = { connectionsMax, queryTimeoutMs: 1_200_000 };
  return createPool({ connectionString, name: 'bench', ...limits });
}
