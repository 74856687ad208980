/**
 * PostgreSQL refuses to run as root. When we are root, it runs as an unprivileged user that keeps
 * one capability, to read and write files whatever their mode: otherwise it could not even reach
 * its own programs below a home directory or a `mktemp -d`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { chown, readFile, stat } from 'node:fs/promises';
import { OrderonceError } from '../errors.ts';

/** How to start a program; `prefix` comes before its path. */
export type RunAs = {
  readonly prefix: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
};

/** @param dataDir its owner is the user to run as, where it exists. */
export async function chooseRunAs(dataDir: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const { uid, gid } = (await ownerOf(dataDir)) ?? (await unprivilegedUser());
  const prefix = [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--inh-caps=-all,+dac_override',
    '--ambient-caps=+dac_override',
    // Without it access(2), which initdb asks, would not count the capability.
    '--securebits=+no_setuid_fixup',
  ];
  // Rights to give capabilities away may be missing (a container): then the plain way, which is
  // enough where the folders are open to all.
  const works = spawnSync(prefix[0] as string, [...prefix.slice(1), 'true']).status === 0;
  return works ? { prefix, uid, gid } : { prefix: [], uid, gid };
}

/** Gives a folder to the user that PostgreSQL runs as: it insists on owning its data. */
export async function giveTo(runAs: RunAs, folder: string): Promise<void> {
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    await chown(folder, runAs.uid, runAs.gid);
  }
}

async function ownerOf(folder: string): Promise<{ uid: number; gid: number } | null> {
  const found = await stat(folder).catch(() => null);
  return found === null || found.uid === 0 ? null : { uid: found.uid, gid: found.gid };
}

/** initdb looks its user up by number, so it must be one that the system knows. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const line = lines.find((fields) => fields[0] === name);
    if (line !== undefined) return { uid: Number(line[2]), gid: Number(line[3]) };
  }
  throw new OrderonceError(
    'EMBEDDED_POSTGRES_UNAVAILABLE',
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. ' +
      'Start as another user, or set DATABASE_URL',
  );
}

/** Starts a program in a session of its own, with nothing of our environment. */
export function startAs(runAs: RunAs, program: string, args: string[], outFd: number | 'pipe') {
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

/** Whether a process of this number exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
