/**
 * API keys: who may use the API, in which role and at which rate. The file holds only digests. It
 * is read again when it changes, so keys are rotated without a restart: add the new key, hand it
 * out, remove the old one.
 *
 *   {"keys": [{"name": "shop", "role": "ingest", "sha256": "…", "events_per_second": 500}]}
 *
 * A key is 256 random bits, so a plain SHA-256 is enough. A slow digest protects passwords that can
 * be guessed; here it would only make each request more expensive.
 */
import { createHash, randomBytes } from 'node:crypto';
import { OrderonceError } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { readSettingFile } from '../runtime/tls.ts';
import { WatchedFiles } from '../runtime/watched-files.ts';

/** `ingest` may send events; `read` may see their outcome; `admin` may read and change it. */
export const ROLES = ['ingest', 'read', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export type ApiKey = {
  readonly name: string;
  readonly role: Role;
  readonly sha256: Buffer;
  /** null: no limit. */
  readonly eventsPerSecond: number | null;
  readonly eventsPerDay: number | null;
};

const NAME = /^[\w.-]{1,64}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const FIELDS = ['name', 'role', 'sha256', 'events_per_second', 'events_per_day'];
const KEY_BYTES = 32;
/** Lets scanners for secrets recognise a key that leaked. */
const PREFIX = 'oonce_';

/** Generates a key, which is shown only once, and the digest for the file. */
export function makeKey(): { readonly key: string; readonly sha256: string } {
  const key = PREFIX + randomBytes(KEY_BYTES).toString('base64url');
  return { key, sha256: digestOf(key).toString('hex') };
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** @throws SETTING_INVALID with the number of the invalid entry and what is wrong with it. */
export function parseKeys(text: string): ApiKey[] {
  const invalid = (what: string) => new OrderonceError('SETTING_INVALID', `API_KEYS_FILE: ${what}`);
  let entries: unknown;
  try {
    // Some editors on Windows write a byte order mark.
    entries = (JSON.parse(text.replace(/^\ufeff/, '')) as { keys?: unknown } | null)?.keys;
  } catch {
    throw invalid('the file is not valid JSON');
  }
  if (!Array.isArray(entries)) throw invalid('"keys" must be an array');
  const keys = entries.map((entry: unknown, index) => {
    const problem = problemOf(entry);
    if (problem !== null) throw invalid(`key ${index + 1}: ${problem}`);
    return keyOf(entry as Entry);
  });
  if (new Set(keys.map(({ name }) => name)).size < keys.length)
    throw invalid('a name occurs twice');
  return keys;
}

type Entry = {
  readonly name: string;
  readonly role: Role;
  readonly sha256: string;
  readonly events_per_second?: number;
  readonly events_per_day?: number;
};

function problemOf(entry: unknown): string | null {
  if (typeof entry !== 'object' || entry === null) return 'must be an object';
  const { name, role, sha256, events_per_second, events_per_day } = entry as Record<
    string,
    unknown
  >;
  const unknown = Object.keys(entry).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) {
    return `"${unknown}" is not a field of a key; the fields are ${FIELDS.join(', ')}`;
  }
  if (typeof name !== 'string' || !NAME.test(name)) {
    return '"name" must be 1 to 64 letters, digits, ".", "_" or "-"';
  }
  if (!ROLES.includes(role as Role)) return `"role" must be one of ${ROLES.join(', ')}`;
  if (typeof sha256 !== 'string' || !DIGEST.test(sha256)) {
    return '"sha256" must be 64 hexadecimal digits: see "orderonce keys new"';
  }
  const limits = { events_per_second, events_per_day };
  const wrong = Object.entries(limits).find(
    ([, limit]) => limit !== undefined && !(Number(limit) > 0),
  );
  return wrong === undefined ? null : `"${wrong[0]}" must be a number above 0`;
}

function keyOf({ name, role, sha256, events_per_second, events_per_day }: Entry): ApiKey {
  return {
    name,
    role,
    sha256: Buffer.from(sha256, 'hex'),
    eventsPerSecond: events_per_second ?? null,
    eventsPerDay: events_per_day ?? null,
  };
}

/** The keys of a file. It is read again when it changes; if it is broken then, the keys stay in use. */
export class ApiKeys {
  readonly #file: WatchedFiles;
  /** By digest, in hexadecimal. */
  #keys: ReadonlyMap<string, ApiKey> = new Map();

  /** @throws SETTING_INVALID if the file cannot be read. Without keys the service would be open. */
  constructor(path: string, logger: Logger) {
    const read = () => {
      const keys = parseKeys(readSettingFile('API_KEYS_FILE', path).toString());
      this.#keys = new Map(keys.map((key) => [key.sha256.toString('hex'), key]));
    };
    this.#file = new WatchedFiles([path], 'API keys', read, logger);
  }

  /** Why the current content of the file is not in use, or null. */
  get trouble(): string | null {
    return this.#file.trouble;
  }

  /**
   * Looks the digest up, so that a request costs the same with one key and with thousands. How long
   * the look-up takes may depend on the digest. That reveals nothing: nobody can choose a key whose
   * digest begins like that of a known one and learn from it what the known key is.
   */
  find(presented: string): ApiKey | null {
    return this.#keys.get(digestOf(presented).toString('hex')) ?? null;
  }

  stop(): void {
    this.#file.stop();
  }
}
