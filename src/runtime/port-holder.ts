import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENING = '0A';

/**
 * The process that listens on a TCP port, as "pid 123: its command line". It is found through
 * /proc, so only on Linux, and only if this user may inspect the process; otherwise null.
 */
export function holderOf(port: number): string | null {
  try {
    const sockets = new Set(inodesOf(port).map((inode) => `socket:[${inode}]`));
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && hasOpen(name, sockets));
    if (pid === undefined) return null;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    return `pid ${pid}: ${words.join(' ').slice(0, 120)}`;
  } catch {
    return null;
  }
}

/** As in proc(5), fields 2, 4 and 10 are the local address (port in hex), state and inode. */
function inodesOf(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(suffix) && state === LISTENING)
    .map((fields) => fields[9] ?? '');
}

function hasOpen(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => sockets.has(readlinkSync(`${folder}/${fd}`)));
  } catch {
    // This user may not inspect the process, or it has ended meanwhile.
    return false;
  }
}
