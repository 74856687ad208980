/** `orderonce keys new NAME`: makes an API key. */
import { makeKey, parseKeys, ROLES, type Role } from '../access/api-keys.ts';
import { OrderonceError } from '../errors.ts';
import type { Call } from './command.ts';

/** Prints the key once, and the entry that the file of keys needs: it holds only a digest. */
export async function runKeys({ words, flags }: Call): Promise<number> {
  const [action, name] = words;
  const role = (flags.role ?? 'ingest') as Role;
  if (action !== 'new' || name === undefined || !ROLES.includes(role)) {
    const usage = `Usage: orderonce keys new NAME [--role ${ROLES.join('|')}]`;
    throw new OrderonceError('SETTING_INVALID', usage);
  }
  const { key, sha256 } = makeKey();
  const entry = { name, role, sha256 };
  // As the file will be: a name that it would refuse is refused now.
  parseKeys(JSON.stringify({ keys: [entry] }));
  if (flags.json === true) console.log(JSON.stringify({ key, entry }));
  else {
    console.log(`${key}\n`);
    console.error(
      'That is the key: it is shown this once. Add to "keys" in the file that API_KEYS_FILE names:\n' +
        JSON.stringify(entry),
    );
  }
  return 0;
}
