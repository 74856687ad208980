import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OrderonceError, reasonOf } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import { isAlive } from './run-as.ts';

const WAIT_MS = 60_000;

/**
 * Lets one process at a time prepare and start PostgreSQL in a folder; another one waits, and
 * finds it running. The lock is a file with the holder's pid: one whose holder is gone counts for
 * nothing (nor does one with our own pid: in a container every first process has the same).
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
    const message = `${folder} cannot be made or used: ${reasonOf(error)}. Name another one: ORDERONCE_DATA_DIR=...`;
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
  const message = `Another process has been starting in ${folder} for ${WAIT_MS / 1000} s. Stop it, or remove ${file}`;
  throw new OrderonceError('DATA_DIR_UNUSABLE', message);
}

function unwritable(folder: string, error: unknown): OrderonceError {
  const message = `${folder} cannot be written to: ${reasonOf(error)}. Name another one: ORDERONCE_DATA_DIR=...`;
  return new OrderonceError('DATA_DIR_UNUSABLE', message, { cause: error });
}
