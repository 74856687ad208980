/** The data directory of the embedded PostgreSQL. It is created once, completely or not at all. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OrderonceError } from '../errors.ts';
import type { Binaries } from './binaries.ts';
import { giveTo, type RunAs, startAs } from './run-as.ts';

/** The directories of the cluster, its programs, and the user that runs them. */
export type Place = {
  /** The data directory of Orderonce. */
  readonly folder: string;
  /** The data directory of PostgreSQL, inside `folder`. */
  readonly data: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
};

/** The only role. Its password is a file in the data directory, so that one rename creates both. */
export const ROLE = 'orderonce';
const PASSWORD = 'orderonce-password';

/**
 * Creates the cluster at the first start. Each attempt uses a directory name of its own, because
 * the initdb of a killed attempt continues to write for a while. The caller must hold the start
 * lock.
 * @param more further flags of initdb.
 * @throws DATA_DIR_UNUSABLE, EMBEDDED_POSTGRES_UNAVAILABLE.
 */
export async function ensureCluster(
  { folder, data, binaries, runAs }: Place,
  say: (l: string) => void,
  more: readonly string[] = [],
) {
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (version !== null && version.trim() !== binaries.major) {
    throw unusable(
      folder,
      `holds data of PostgreSQL ${version.trim()}, but this release contains ${binaries.major}`,
    );
  }
  if (version !== null && existsSync(join(data, PASSWORD))) return;
  if (existsSync(data)) {
    throw unusable(folder, 'is half initialised, or this user may not read it');
  }
  say(`Preparing PostgreSQL in ${folder} (first start only, a few seconds)`);
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
    ...more,
  ]);
  await rename(passwordFile, join(fresh, PASSWORD));
  await rename(fresh, data);
  await removeLeftovers(folder);
}

/**
 * Removes unfinished clusters. One that an initdb still writes to may stay until the next start.
 */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('postgres.new-')) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** The password of ROLE. */
export async function readPassword(place: Place): Promise<string> {
  return (await readFile(join(place.data, PASSWORD), 'utf8')).trim();
}

/** DATA_DIR_UNUSABLE: `subject` and `what` are one sentence, and the advice follows it. */
export function unusable(subject: string, what: string): OrderonceError {
  return new OrderonceError(
    'DATA_DIR_UNUSABLE',
    `${subject} ${what}. Use another folder (ORDERONCE_DATA_DIR=...), or move it away to begin empty`,
  );
}

async function runToEnd(runAs: RunAs, program: string, args: string[]): Promise<void> {
  const child = startAs(runAs, program, args, 'pipe');
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
      'Start Orderonce as another user, from a folder that this user can read, or set DATABASE_URL',
  );
}
