import { createHash } from 'node:crypto';

/** The namespace for URLs and URNs (RFC 9562, section 6.6). */
const NAMESPACE_URL = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

/**
 * A UUID version 5 (RFC 9562, section 5.5): the same name in the same namespace always gives the
 * same UUID.
 * @param namespace a UUID, hyphenated.
 */
export function uuidV5(namespace: string, name: string): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join('-');
}

/**
 * The namespace of a team's text ids: the UUID version 5 of `urn:orderonce:NAME` in the namespace
 * for URLs. Stored ids depend on it, so it must never change; a test compares it with fixed values.
 */
export function namespaceOf(name: string): string {
  return uuidV5(NAMESPACE_URL, `urn:orderonce:${name}`);
}
