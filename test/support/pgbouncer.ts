/**
 * PgBouncer in front of a database, in transaction mode: each transaction may get another session.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const PATH = `${process.env.PATH}:/usr/sbin`;
const found = spawnSync('pgbouncer', ['--version'], { encoding: 'utf8', env: { PATH } });

/** Why tests with PgBouncer are skipped; false if they run. CI requires PgBouncer. */
export const NO_PGBOUNCER: string | false =
  process.env.CI === 'true' || found.status === 0 ? false : 'PgBouncer is not installed';

/** Starts PgBouncer until the test ends. @returns the URL of the database through it. */
export async function startPgBouncer(
  t: TestContext,
  databaseUrl: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-pgbouncer-'));
  const listenPort = await freePort();
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: listenPort,
    unix_socket_dir: '',
    // PgBouncer accepts every client, and connects to PostgreSQL as the user of the URL.
    auth_type: 'any',
    pool_mode: 'transaction',
    default_pool_size: 3,
    max_client_conn: 200,
    ...settings,
  };
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]\n* = host=${hostname} port=${port} user=${username} password=${password}\n` +
      `[pgbouncer]\n${Object.entries(lines)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join('')}`,
  );
  // PgBouncer refuses to run as root.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;
  if (nobody !== null) for (const path of [folder, file]) chownSync(path, nobody.uid, nobody.gid);
  const child = spawn('pgbouncer', [file], { stdio: 'ignore', cwd: '/', env: { PATH }, ...nobody });
  t.after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  await until('PgBouncer listens', () => {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${child.exitCode}`);
    return answersOn(listenPort);
  });
  return `postgres://shop@127.0.0.1:${listenPort}${pathname}`;
}

function answersOn(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  return new Promise((done) => {
    socket.once('connect', () => done(true)).once('error', () => done(false));
  }).then((answers) => {
    socket.destroy();
    return answers as boolean;
  });
}
