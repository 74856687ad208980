/**
 * Finds names in the environment or in .env that are not settings but were probably meant to be,
 * such as KAFKA_BROKERS. It is an error if the embedded log or database would silently be used
 * instead of the one that such a name gives: events would go where nobody looks for them.
 * Everything else is a warning, because other programs use the environment too.
 */
import { EDITS_MAX, editsBetween } from './edits.ts';
import { misspelledNames, SETTINGS, type SettingName } from './settings.ts';

export type NameNotes = {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** The names that the warnings are about. */
  readonly unknown: readonly string[];
};

type Env = Readonly<Record<string, string | undefined>>;

const NAMES = Object.keys(SETTINGS) as SettingName[];
/** Shorter names are similar to too many other names. */
const NEAR_CHARS_MIN = 8;

/** Names that other programs use for the same thing. */
const ALIASES: readonly (readonly [names: RegExp, meant: SettingName])[] = [
  [
    /^(KAFKA_|BOOTSTRAP_|KAFKA_BOOTSTRAP_)(BROKER|SERVER|HOST|URL|ADDRESS|ENDPOINT|NODE)(E?S)?(_LIST|_URLS?)?$/,
    'KAFKA_BOOTSTRAP_SERVERS',
  ],
  [/^(DATABASE|DB|POSTGRES|POSTGRESQL|PG|PGSQL)_(URL|URI|DSN)$/, 'DATABASE_URL'],
];
/** Other programs read such names too, so they are never a reason to stop. */
const GENERIC = /^(DB|POSTGRES|POSTGRESQL|PG|PGSQL)_/;
/** Kubernetes and Docker set these for each service that they know. */
const LINK = /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const LINK_VALUE = /^(tcp|udp|sctp):\/\//;

/** What is used if the setting is missing. */
const INSTEAD: Partial<Record<SettingName, string>> = {
  KAFKA_BOOTSTRAP_SERVERS: 'the embedded log',
  DATABASE_URL: 'the embedded PostgreSQL',
};

/**
 * Sorts names that are not settings into errors and warnings.
 * @param environment of the process, which holds names for other programs too.
 * @param file the lines of .env, which are meant for Orderonce or for compose.
 * @param given all values together, flags included. An empty value says that the embedded log or
 * database is wanted.
 */
export function judgeNames(environment: Env, file: Env, given: Env): NameNotes {
  const errors: string[] = [];
  const warnings = new Map<string, string>();
  for (const [name, value = ''] of Object.entries({ ...file, ...environment })) {
    if (Object.hasOwn(SETTINGS, name) || LINK.test(name) || LINK_VALUE.test(value)) continue;
    const meant = meantBy(name);
    if (meant !== null) {
      const instead = given[meant] === undefined ? INSTEAD[meant] : undefined;
      const note = `${name} is not a setting; ${meant} is`;
      if (instead === undefined) warnings.set(name, note);
      else if (GENERIC.test(name) || !isValid(meant, value)) {
        warnings.set(name, `${note}. Without it, ${instead} is used`);
      } else {
        errors.push(
          `${note}, and without it ${instead} would be used. Rename it; ` +
            `if it is meant for another program, set ${meant} to an empty value ("${meant}=")`,
        );
      }
    } else if (name.startsWith('ORDERONCE_') || isMisspelled(name, file)) {
      warnings.set(name, `${name} is not a setting: see "orderonce help settings"`);
    }
  }
  return { errors, warnings: [...warnings.values()], unknown: [...warnings.keys()] };
}

const isMisspelled = (name: string, file: Env) =>
  Object.hasOwn(file, name) && misspelledNames([name]).length > 0;

function isValid(name: SettingName, value: string): boolean {
  try {
    return value !== '' && SETTINGS[name].parse(value, name) !== undefined;
  } catch {
    return false;
  }
}

function meantBy(name: string): SettingName | null {
  const plain = name
    .toUpperCase()
    .replace(/[.-]/g, '_')
    .replace(/^ORDERONCE_(?!DATA_)/, '');
  const [, alias] = ALIASES.find(([names]) => names.test(plain)) ?? [];
  if (alias !== undefined) return alias;
  if (plain.length < NEAR_CHARS_MIN) return NAMES.find((ours) => ours === plain) ?? null;
  // SSL_CERT_FILE of OpenSSL is only two edits away from TLS_CERT_FILE, but is no mistake.
  const editsMax = (ours: string) => (wordOf(plain) === wordOf(ours) ? EDITS_MAX : 1);
  const isNear = (ours: string) =>
    editsBetween(plain, ours) <= editsMax(ours) ||
    (plain.includes('_') && ours.startsWith(`${plain}_`));
  return NAMES.find((ours) => ours.length >= NEAR_CHARS_MIN && isNear(ours)) ?? null;
}

const wordOf = (name: string) => name.split('_')[0];
