/** Finds, starts and stops the server process of the embedded PostgreSQL. */
import { open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { reasonOf } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import { type Place, ROLE, unusable } from './cluster.ts';
import { isAlive, startAs } from './run-as.ts';

export type RunningServer = { readonly pid: number; readonly port: number };

const START_MS = 60_000;
const STOP_MS = 20_000;
const SHARED_BUFFERS_MB = { least: 128, most: 1024 };

/** The server that runs on this data. In its pid file, line 1 is the pid and line 4 the port. */
export async function findRunning({ data }: Place): Promise<RunningServer | null> {
  const file = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = file.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null;
  // Another program may have the pid by now, so only a server that answers counts.
  return (await answers(port)) ? { pid, port } : null;
}

async function answers(port: number): Promise<boolean> {
  const place = { host: '127.0.0.1', port, user: ROLE, database: 'postgres' };
  const client = new pg.Client({ ...place, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    // A server that asks for the password is running.
    return /password|SASL|SCRAM/i.test(reasonOf(error));
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Starts the server on a free port; resolves when it answers.
 * @param more further settings of postgresql.conf; they override those chosen here.
 * @throws DATA_DIR_UNUSABLE with the end of its log.
 */
export async function launch(
  { folder, data, binaries, runAs }: Place,
  urlOf: (port: number, database: string) => string,
  more: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const port = await freePort();
  const log = await open(join(folder, 'postgres.log'), 'a', 0o600);
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '60',
    max_wal_size: '2GB',
    shared_buffers: `${sharedBuffersMb(memoryBytes())}MB`,
    ...more,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // A session of its own, so that Ctrl-C reaches only this process, which drains before it stops
  // PostgreSQL.
  const child = startAs(runAs, binaries.postgres, ['-D', data, ...flags], log.fd);
  const exited = new Promise<void>((done) => {
    child.once('exit', () => done());
    // It could not be started at all.
    child.once('error', () => done());
  });
  child.unref();
  await log.close();
  const giveUpAt = performance.now() + START_MS;
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    if (await canConnect(urlOf(port, 'postgres'))) return { pid: child.pid as number, port };
    await Promise.race([exited, pause(50)]);
  }
  const tail = (await readFile(join(folder, 'postgres.log'), 'utf8')).trim().split('\n').slice(-5);
  const end = `The end of its log (postgres.log):\n  ${tail.join('\n  ')}\nThe folder`;
  throw unusable(`PostgreSQL does not start in ${folder}. ${end}`, 'cannot be used as it is');
}

/** Memory of the machine, or the limit of the container. */
function memoryBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

/**
 * A quarter of the memory (PostgreSQL manual, section 19.4), but at least 128 and at most 1024 MB.
 * PostgreSQL uses it only as the tables grow. Event ids are random, so once the index on them does
 * not fit into the cache, each event reads and writes pages on disk.
 */
export function sharedBuffersMb(memoryBytes: number): number {
  const quarter = Math.trunc(memoryBytes / 4 / (1 << 20));
  return Math.max(SHARED_BUFFERS_MB.least, Math.min(quarter, SHARED_BUFFERS_MB.most));
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

/**
 * Fast shutdown (SIGINT): running transactions are rolled back. Waits until the server has ended.
 */
export async function shutDown({ pid }: RunningServer): Promise<void> {
  const giveUpAt = performance.now() + STOP_MS;
  if (isAlive(pid)) process.kill(pid, 'SIGINT');
  while (isAlive(pid) && performance.now() < giveUpAt) await pause(30);
}
