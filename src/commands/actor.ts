import { hostname, userInfo } from 'node:os';

/** Who calls the command, for the audit: `user@host`; the number of a user that has no name. */
export function actorName(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that /etc/passwd does not know.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
