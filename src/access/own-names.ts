/**
 * Which names a browser may have reached this service by. A page of any site can point its own name
 * at this machine after it was loaded (DNS rebinding); then its requests are same-origin, and it
 * reads the answers. What gives it away is the name: it is in Host, and in the Origin of a POST.
 * An address cannot be pointed elsewhere, and no site owns a name without a dot.
 *
 * API keys or TLS make the check needless: a page knows no key, and has no certificate of its name
 * that we would present.
 */
import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import type { Settings } from '../settings/settings.ts';

export const LOOPBACK_HOST = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
/** The last label is a number: no name ends so (WHATWG, URL, "ends in a number"). */
const IPV4 = /(^|\.)(\d+|0x[\da-f]*)$/;
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/;

export class OwnNames {
  readonly #names: ReadonlySet<string>;
  /** With the dot in front. */
  readonly #domains: readonly string[];
  readonly #takesAll: boolean;
  readonly #isOpenToNetwork: boolean;

  constructor({ HOST, STATUS_BASE_URL, ALLOWED_HOSTS }: Settings) {
    const given = ALLOWED_HOSTS.split(',').map((name) => plain(name.trim()).replace(/^\*\./, '.'));
    const status = STATUS_BASE_URL === undefined ? [] : [new URL(STATUS_BASE_URL).hostname];
    this.#names = new Set([HOST, hostname(), ...status, ...given].map(plain));
    this.#domains = given.filter((name) => name.startsWith('.'));
    this.#takesAll = given.includes('*');
    this.#isOpenToNetwork = !LOOPBACK_HOST.test(HOST);
  }

  /** @returns why a request with this Host header is refused, or null. Without one: no browser. */
  whyNotHost(host: string | undefined): string | null {
    if (host === undefined || host === '' || this.#has(host)) return null;
    return refusalOf('Host', host);
  }

  /** The same for the Origin header, which programs other than browsers do not send. */
  whyNotOrigin(origin: string | undefined): string | null {
    if (origin === undefined) return null;
    if (URL.canParse(origin) && this.#has(new URL(origin).host)) return null;
    return refusalOf('Origin', origin);
  }

  #has(authority: string): boolean {
    const name = plain(AUTHORITY.exec(authority)?.[1] ?? '?');
    if (this.#takesAll || this.#names.has(name)) return true;
    if (IPV4.test(name) || isIPv6(name.slice(1, -1))) return true;
    // RFC 6761, section 6.3: it is this machine wherever it is looked up.
    if (name === 'localhost' || name.endsWith('.localhost')) return true;
    // Services of compose and Kubernetes call one another so.
    if (this.#isOpenToNetwork && /^[\w-]*$/.test(name)) return true;
    return this.#domains.some((domain) => name.endsWith(domain) || name === domain.slice(1));
  }
}

/** As names are compared: in lower case, without the dot of the root. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function refusalOf(header: string, given: string): string {
  return (
    `${header} "${given.slice(0, 100)}" is not a name of this service, so a page of another site ` +
    'may be asking. If it is one, add it to the setting ALLOWED_HOSTS; or ask by IP address'
  );
}
