/**
 * PostgreSQL refuses to run as root. If this process is root, PostgreSQL runs as an unprivileged
 * user with one capability, dac_override, which lets it read and write files whatever their mode.
 * Without it, it could not even read its own programs in a home directory or in a `mktemp -d`
 * directory.
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

/** @param dataDir if it exists and its owner is not root, PostgreSQL runs as its owner. */
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
    // initdb calls access(2), which respects the capability only with this flag.
    '--securebits=+no_setuid_fixup',
  ];
  // In a container, the right to pass on capabilities may be missing. Then only the user is
  // changed, which is enough if that user may read the folders.
  const works = spawnSync(prefix[0] as string, [...prefix.slice(1), 'true']).status === 0;
  return works ? { prefix, uid, gid } : { prefix: [], uid, gid };
}

/** Makes the user that PostgreSQL runs as the owner: PostgreSQL requires that of its data. */
export async function giveTo(runAs: RunAs, folder: string): Promise<void> {
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    await chown(folder, runAs.uid, runAs.gid);
  }
}

async function ownerOf(folder: string): Promise<{ uid: number; gid: number } | null> {
  const found = await stat(folder).catch(() => null);
  return found === null || found.uid === 0 ? null : { uid: found.uid, gid: found.gid };
}

/**
 * The first user of these in /etc/passwd. initdb looks its user up, so a free number will not do.
 */
async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const line = lines.find((fields) => fields[0] === name);
    if (line !== undefined) return { uid: Number(line[2]), gid: Number(line[3]) };
  }
  throw new OrderonceError(
    'EMBEDDED_POSTGRES_UNAVAILABLE',
    'PostgreSQL does not run as root, and there is no user "postgres" or "nobody" to run it as. ' +
      'Start Orderonce as another user, or set DATABASE_URL',
  );
}

/** Starts a program in a session of its own, without the environment of this process. */
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

/** Whether a process with this pid exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
