/** `orderonce keys new NAME`: makes an API key. */
import { makeKey, parseKeys, ROLES, type Role } from '../access/api-keys.ts';
import { OrderonceError } from '../errors.ts';
import type { Call } from './command.ts';

/**
 * Prints a new key, and the entry for the file of keys. The file holds only the digest of the key,
 * so the key cannot be shown again. @returns the exit code.
 */
export async function runKeys({ words, flags }: Call): Promise<number> {
  const [action, name] = words;
  const role = (flags.role ?? 'ingest') as Role;
  if (action !== 'new' || name === undefined || !ROLES.includes(role)) {
    const usage = `Usage: orderonce keys new NAME [--role ${ROLES.join('|')}]`;
    throw new OrderonceError('SETTING_INVALID', usage);
  }
  const { key, sha256 } = makeKey();
  const entry = { name, role, sha256 };
  // Parse the entry as the services will, so that a name they would refuse is refused now.
  parseKeys(JSON.stringify({ keys: [entry] }));
  if (flags.json === true) console.log(JSON.stringify({ key, entry }));
  else {
    console.log(`${key}\n`);
    console.error(
      'This is the key. It is not stored and cannot be shown again. Add this entry to "keys" in the API_KEYS_FILE:\n' +
        JSON.stringify(entry),
    );
  }
  return 0;
}
