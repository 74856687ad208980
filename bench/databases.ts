import pg from 'pg';
import { createPool, type Pool } from '../src/store/pool.ts';
import type { Servers } from './servers.ts';

/** @returns the URL of an empty database, or of a copy of `template`. */
export async function freshDatabase(
  { databaseUrl }: Servers,
  name: string,
  template = 'template1',
): Promise<string> {
  // Not through a pool, which would run it in a transaction.
  const admin = new pg.Client({ connectionString: databaseUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  await admin.end();
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

export function openPool(connectionString: string, connectionsMax = 2): Pool {
  const limits = { connectionsMax, queryTimeoutMs: 1_200_000 };
  return createPool({ connectionString, name: 'bench', ...limits });
}
