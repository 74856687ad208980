import { createPool, type Pool } from '../src/store/pool.ts';
import type { Servers } from './servers.ts';

/** @returns the URL of an empty database. */
export async function freshDatabase({ databaseUrl }: Servers, name: string): Promise<string> {
  const admin = openPool(databaseUrl);
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

export function openPool(connectionString: string): Pool {
  const limits = { connectionsMax: 2, queryTimeoutMs: 600_000 };
  return createPool({ connectionString, name: 'bench', ...limits });
}
