/**
 * A PostgreSQL of our own under the data directory, for whoever has none at hand:
 *
 *   postgres/       its data; made under another name and renamed, so it is whole or not there
 *   postgres/orderonce-password   of its only role, made at random, readable by its owner alone
 *   database-url    for psql and for the other commands while it runs
 *   postgres.log    what it says
 *
 * Whoever uses the directory holds an advisory lock in that PostgreSQL. If our process is killed,
 * PostgreSQL goes on; the next start finds the lock free and takes the running server over.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { OrderonceError, reasonOf } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import type { Service } from '../runtime/service.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { chooseRunAs, giveTo, type RunAs } from './run-as.ts';

export type EmbeddedPostgres = Service & {
  readonly url: string;
  readonly port: number;
  /** Resolves, with the reason, if the server ends without having been asked to. */
  readonly died: Promise<string>;
};

const ROLE = 'orderonce';
const DATABASE = 'orderonce';
const PASSWORD = 'orderonce-password';
/** Any fixed number: the lock that says "this data directory is in use". */
const OWNER_LOCK = 7_140_211_002;
/** Of the npm packages that src/embedded/binaries.ts finds. */
const POSTGRES_MAJOR = '18';
const START_MS = 60_000;
const STOP_MS = 20_000;

type Place = {
  readonly folder: string;
  readonly data: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
};

/**
 * Starts it, or takes over one whose owner is gone.
 * @param say progress, one line each: the first start takes seconds.
 * @throws DATA_DIR_UNUSABLE, EMBEDDED_POSTGRES_UNAVAILABLE, each saying what to do.
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  say: (line: string) => void,
): Promise<EmbeddedPostgres> {
  const folder = resolve(dataDir);
  const data = join(folder, 'postgres');
  const binaries = await findBinaries();
  const runAs = await chooseRunAs(data);
  const place = { folder, data, binaries, runAs };
  await ensureCluster(place, say);
  const password = (await readFile(join(data, PASSWORD), 'utf8')).trim();
  const urlOf = (port: number, database: string) =>
    `postgres://${ROLE}:${password}@127.0.0.1:${port}/${database}`;
  const running = await findRunning(data);
  const server = running === null ? await launch(place, urlOf) : running;
  const lock = await takeOwnership(urlOf(server.port, 'postgres'), folder);
  const url = urlOf(server.port, DATABASE);
  await writeFile(join(folder, 'database-url'), `${url}\n`, { mode: 0o600 });
  const { promise: died, resolve: tellDied } = Promise.withResolvers<string>();
  let isStopping = false;
  lock.on('error', (error) => {
    if (!isStopping) tellDied(reasonOf(error));
  });
  return {
    url,
    port: server.port,
    died,
    stop: async () => {
      if (isStopping) return;
      isStopping = true;
      await rm(join(folder, 'database-url'), { force: true });
      await lock.end().catch(() => {});
      await shutDown(server.pid);
    },
  };
}

/**
 * Makes the cluster at the first start, under a name of this attempt's own: an initdb whose owner
 * was killed goes on writing for a while, and two starts may come at once.
 */
async function ensureCluster({ folder, data, binaries, runAs }: Place, say: (l: string) => void) {
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (version !== null && version.trim() !== POSTGRES_MAJOR) {
    throw unusable(
      folder,
      `holds data of PostgreSQL ${version.trim()}, this release brings ${POSTGRES_MAJOR}`,
    );
  }
  if (version !== null && existsSync(join(data, PASSWORD))) return;
  if (existsSync(data)) {
    throw unusable(folder, 'is half initialised or not readable for this user');
  }
  say(`Preparing PostgreSQL in ${folder} (first start only, a few seconds)`);
  await mkdir(folder, { recursive: true });
  const fresh = `${data}.new-${randomBytes(4).toString('hex')}`;
  await mkdir(fresh, { mode: 0o700 });
  await giveTo(runAs, fresh);
  const passwordFile = `${fresh}.password`;
  await writeFile(passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  await giveTo(runAs, passwordFile);
  const flags = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--data-checksums'];
  await runToEnd(runAs, binaries.initdb, [
    `--pgdata=${fresh}`,
    `--username=${ROLE}`,
    `--pwfile=${passwordFile}`,
    ...flags,
  ]);
  await rename(passwordFile, join(fresh, PASSWORD));
  await rename(fresh, data).catch((error: NodeJS.ErrnoException) => {
    // Another start was first: its cluster is as good as ours.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  await removeLeftovers(folder);
}

/** Clusters that were never finished. One that a stray initdb still writes to stays for next time. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('postgres.new-')) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

function unusable(folder: string, what: string): OrderonceError {
  return new OrderonceError(
    'DATA_DIR_UNUSABLE',
    `${folder} ${what}. Use another one (ORDERONCE_DATA_DIR=...), or move it away to start anew`,
  );
}

/** The server that runs on this data, from its pid file: line 1 is the pid, line 4 the port. */
async function findRunning(data: string): Promise<{ pid: number; port: number } | null> {
  const file = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = file.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null;
  // A pid may have been given to another program since: only an answering server counts.
  return (await answers(port)) ? { pid, port } : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function answers(port: number): Promise<boolean> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: ROLE, database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    // It asks for the password: it is there.
    return /password|SASL|SCRAM/i.test(reasonOf(error));
  } finally {
    await client.end().catch(() => {});
  }
}

async function launch(
  { folder, data, binaries, runAs }: Place,
  urlOf: (port: number, database: string) => string,
): Promise<{ pid: number; port: number }> {
  const port = await freePort();
  const log = await open(join(folder, 'postgres.log'), 'a', 0o600);
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '60',
    max_wal_size: '2GB',
    // A smaller answer time matters more here than another process's memory.
    shared_buffers: '128MB',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // In a session of its own: Ctrl-C must reach us first, so that we can drain before it stops.
  const child = start(runAs, binaries.postgres, ['-D', data, ...flags], log.fd);
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  child.unref();
  await log.close();
  const giveUpAt = performance.now() + START_MS;
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    if (await canConnect(urlOf(port, 'postgres'))) return { pid: child.pid as number, port };
    await Promise.race([exited, pause(50)]);
  }
  const tail = (await readFile(join(folder, 'postgres.log'), 'utf8')).trim().split('\n').slice(-5);
  throw unusable(
    folder,
    `does not start; its log (postgres.log) ends:\n  ${tail.join('\n  ')}\nIt`,
  );
}

function start(runAs: RunAs, program: string, args: string[], outFd: number | 'pipe') {
  const [command, ...before] = [...runAs.prefix, program];
  const isPlain = runAs.prefix.length === 0;
  const { uid, gid } = runAs;
  return spawn(command as string, [...before, ...args], {
    stdio: ['ignore', outFd, outFd],
    detached: true,
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    ...(isPlain && uid !== undefined && gid !== undefined ? { uid, gid } : {}),
  });
}

async function runToEnd(runAs: RunAs, program: string, args: string[]): Promise<void> {
  const child = start(runAs, program, args, 'pipe');
  let said = '';
  child.stdout?.on('data', (chunk) => (said += String(chunk)));
  child.stderr?.on('data', (chunk) => (said += String(chunk)));
  const code = await new Promise((done) => {
    child.once('error', (error) => done(error.message));
    child.once('close', done);
  });
  if (code === 0) return;
  throw new OrderonceError(
    'EMBEDDED_POSTGRES_UNAVAILABLE',
    `PostgreSQL could not be prepared (${code}): ${said.trim().slice(-600)}\n` +
      'Start as another user, from a folder that it can read, or set DATABASE_URL',
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** @returns the connection that holds the lock: as long as it lives, the directory is ours. */
async function takeOwnership(url: string, folder: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'orderonce-owner' });
  await client.connect();
  const { rows } = await client.query(
    `SELECT pg_try_advisory_lock($1) AS mine, (SELECT pid FROM pg_locks
       WHERE locktype = 'advisory' AND granted LIMIT 1) AS holder`,
    [OWNER_LOCK],
  );
  if (!rows[0].mine) {
    await client.end();
    throw new OrderonceError(
      'DATA_DIR_UNUSABLE',
      `${folder} is in use by another Orderonce process. Stop that one first, or use another folder: ORDERONCE_DATA_DIR=.orderonce-2 npm start`,
    );
  }
  const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
  if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  return client;
}

/** Fast shutdown: transactions under way are rolled back, the rest is on disk. */
async function shutDown(pid: number): Promise<void> {
  const giveUpAt = performance.now() + STOP_MS;
  process.kill(pid, 'SIGINT');
  while (isAlive(pid) && performance.now() < giveUpAt) await pause(30);
}
