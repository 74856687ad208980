/** `orderonce keys new NAME`: makes an API key. */
import { makeKey, parseKeys, ROLES, type Role } from '../access/api-keys.ts';
import { type Call, EXIT } from './command.ts';
import { didYouMean } from './did-you-mean.ts';
import { usageError } from './values.ts';

/**
 * Prints a new key, and the entry for the file of keys. The file holds only the digest of the key,
 * so the key cannot be shown again. @returns the exit code.
 */
export async function runKeys({ words: [name = ''], flags, out }: Call): Promise<number> {
  const role = (flags.role ?? 'ingest') as Role;
  if (!ROLES.includes(role)) {
    throw usageError(`--role must be ${ROLES.join(', ')}, not "${role}"${didYouMean(role, ROLES)}`);
  }
  const { key, sha256 } = makeKey();
  const entry = { name, role, sha256 };
  // Parse the entry as the services will, so that a name they would refuse is refused now.
  parseKeys(JSON.stringify({ keys: [entry] }));
  out.data(`${key}\n`, { key, entry });
  if (!out.isJson) {
    out.say(
      'This is the key. It is not stored and cannot be shown again. Add this entry to "keys" in the API_KEYS_FILE:\n' +
        JSON.stringify(entry),
    );
  }
  return EXIT.ok;
}
