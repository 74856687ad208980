/**
 * The PostgreSQL server of a test run. With a database URL it is the team's own. Without one it is
 * an embedded server that all test processes of this user share:
 *
 *   prepared   its data is in a folder of the temporary directory; initdb runs once
 *   running    the first kit starts it, and starts a keeper process beside it (keeper.ts)
 *   used       each process that has an open kit holds a session; others find the running server
 *   stopped    by the keeper, some seconds after the last session has ended, however it ended
 *
 * The server runs without fsync: a crash of the machine may destroy its data, which is only tests'.
 */
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBinaries } from '../embedded/binaries.ts';
import { ensureCluster, type Place, ROLE, readPassword, unusable } from '../embedded/cluster.ts';
import { chooseRunAs } from '../embedded/run-as.ts';
import { findRunning, launch } from '../embedded/server.ts';
import { withStartLock } from '../embedded/start-lock.ts';
import { VERSION } from '../runtime/version.ts';
import { createPool, type Pool } from '../store/pool.ts';
import { type CloneStrategy, hasKeeper } from '../store/test-databases.ts';

export type TestServer = {
  /** For CREATE DATABASE and the like. Its sessions tell the keeper that the server is used. */
  readonly admin: Pool;
  urlOf(database: string): string;
  readonly cloneStrategy: CloneStrategy;
  /** To be called once for each findServer. */
  release(): Promise<void>;
};

export type ServerOptions = {
  /** Default: the environment variable DATABASE_URL; if that is not set, the embedded server. */
  readonly databaseUrl?: string | undefined;
  /** Of the embedded server. */
  readonly dataDir?: string | undefined;
};

/** Settings for data that nobody will miss, and for many test processes at the same time. */
const SERVER_SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '200',
  shared_buffers: '128MB',
  autovacuum: 'off',
};

/**
 * Its password is random and long, so that hashing it thousands of times protects nothing, and would
 * be most of the time that a connection takes.
 */
const INITDB_FLAGS = ['--no-sync', '--set=scram_iterations=1'];

type Shared = { readonly server: Promise<Omit<TestServer, 'release'>>; users: number };
const shared = new Map<string, Shared>();

/** Finds or starts the server; the kits of this process share one. */
export async function findServer(options: ServerOptions): Promise<TestServer> {
  const url = options.databaseUrl ?? (process.env.DATABASE_URL || undefined);
  const place = url ?? resolve(options.dataDir ?? defaultFolder());
  const known = shared.get(place);
  const entry = known ?? {
    server: url === undefined ? startEmbedded(place) : given(url),
    users: 0,
  };
  shared.set(place, entry);
  entry.users++;
  const release = async () => {
    if (--entry.users > 0) return;
    shared.delete(place);
    await (await entry.server).admin.end();
  };
  try {
    return { ...(await entry.server), release };
  } catch (error) {
    if (shared.get(place) === entry) shared.delete(place);
    throw error;
  }
}

async function given(url: string): Promise<Omit<TestServer, 'release'>> {
  const [, before, query = ''] =
    /^(postgres(?:ql)?:\/\/[^/?]*)(?:\/[^?]*)?(\?.*)?$/i.exec(url) ?? [];
  if (before === undefined) throw new Error('DATABASE_URL is not a URL of the form postgres://…');
  return {
    admin: openPool(url, 'admin'),
    urlOf: (database) => `${before}/${database}${query}`,
    cloneStrategy: null,
  };
}

/** By user and release, so that nobody meets data that cannot be used. */
function defaultFolder(): string {
  return join(tmpdir(), `orderonce-test-${VERSION}-${process.getuid?.() ?? userInfo().username}`);
}

/** The embedded server of a data folder; whoever stops it uses the same. */
export async function serverPlaceOf(folder: string): Promise<Place> {
  const data = join(folder, 'postgres');
  return { folder, data, binaries: await findBinaries(), runAs: await chooseRunAs(data) };
}

export async function embeddedUrl(place: Place, port: number, database: string): Promise<string> {
  return `postgres://${ROLE}:${await readPassword(place)}@127.0.0.1:${port}/${database}`;
}

async function startEmbedded(folder: string): Promise<Omit<TestServer, 'release'>> {
  const place = await serverPlaceOf(folder);
  return await withStartLock(folder, async () => {
    await assertOurs(folder);
    await ensureCluster(place, () => {}, INITDB_FLAGS);
    const template = await embeddedUrl(place, 0, '');
    const urlOf = (port: number, database: string) =>
      template.replace(':0/', `:${port}/${database}`);
    const { port } = (await findRunning(place)) ?? (await launch(place, urlOf, SERVER_SETTINGS));
    const admin = openPool(urlOf(port, 'postgres'), 'admin');
    // From here on this session keeps the server running: the keeper counts sessions, and stops
    // the server only while it holds the start lock.
    const session = await admin.connect();
    const isWatched = await hasKeeper(session);
    session.release();
    if (!isWatched) startKeeper(folder);
    return { admin, urlOf: (database) => urlOf(port, database), cloneStrategy: 'FILE_COPY' };
  });
}

/** The temporary directory is everybody's: another user may have made the folder before us. */
async function assertOurs(folder: string): Promise<void> {
  const uid = process.getuid?.();
  if (uid !== undefined && (await stat(folder)).uid !== uid) {
    throw unusable(folder, 'belongs to another user');
  }
}

/** In a session of its own, so that it outlives this process and Ctrl-C. */
function startKeeper(folder: string): void {
  const name = import.meta.url.endsWith('.ts') ? 'keeper.ts' : 'keeper.js';
  const file = new URL(name, import.meta.url);
  // What a test runner puts into the environment concerns its own processes.
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, NODE_TEST_CONTEXT: ___, ...env } = process.env;
  const options = { detached: true, stdio: 'ignore', env, cwd: '/' } as const;
  spawn(process.execPath, [fileURLToPath(file), folder], options).unref();
}

/** A pool that the kit uses: no statement of a test takes longer than a minute. */
export function openPool(connectionString: string, name: string): Pool {
  const limits = { connectionsMax: 6, queryTimeoutMs: 60_000 };
  const pool = createPool({ connectionString, name: `orderonce-kit-${name}`, ...limits });
  // The administrative database has no tables of ours to look for.
  if (name === 'admin' && pool.schema === undefined) pool.useSchema('public');
  return pool;
}
