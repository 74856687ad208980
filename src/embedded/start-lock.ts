import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OrderonceError, reasonOf } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import { isAlive } from './run-as.ts';

const WAIT_MS = 60_000;

/**
 * Lets one process at a time prepare and start PostgreSQL in a folder. A second one waits, and then
 * finds the server running. The lock is a file with the pid of its holder. It is stale if that
 * process has ended, or if the pid is our own: in a container the first process always has pid 1.
 * @throws DATA_DIR_UNUSABLE if the folder cannot be written, or the lock is held for 60 s.
 */
export async function withStartLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const file = join(folder, 'starting');
  await makeFolder(folder);
  await take(file, folder);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    const message = `${folder} cannot be created or used: ${reasonOf(error)}. Use another folder: ORDERONCE_DATA_DIR=...`;
    throw new OrderonceError('DATA_DIR_UNUSABLE', message, { cause: error });
  }
}

async function take(file: string, folder: string): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (performance.now() < giveUpAt) {
    try {
      return await writeFile(file, String(process.pid), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(folder, error);
    }
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    const isStale = holder === process.pid || (holder > 0 && !isAlive(holder));
    if (isStale) await rm(file, { force: true });
    else await pause(50);
  }
  const message = `Another process has been starting PostgreSQL in ${folder} for ${WAIT_MS / 1000} s. Stop it, or remove ${file}`;
  throw new OrderonceError('DATA_DIR_UNUSABLE', message);
}

function unwritable(folder: string, error: unknown): OrderonceError {
  const message = `${folder} cannot be written to: ${reasonOf(error)}. Use another folder: ORDERONCE_DATA_DIR=...`;
  return new OrderonceError('DATA_DIR_UNUSABLE', message, { cause: error });
}
