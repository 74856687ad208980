/**
 * Checks the host name under which a browser reached this service, against DNS rebinding: a page of
 * any site can let its own host name point to this machine after it was loaded. The browser then
 * treats its requests as same-origin and lets it read the answers. But Host, and the Origin of a
 * POST, still contain the name of that site. IP addresses are accepted, because a site cannot make
 * them point elsewhere; so are names without a dot, because no site owns one.
 *
 * With API keys or TLS the check is not needed: a page knows no key, and this service has no
 * certificate for its name.
 */
import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import type { Settings } from '../settings/settings.ts';

/** Values of HOST under which only this machine can reach the service. */
export const LOOPBACK_HOST = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
/**
 * The last label is a number, so it is an IPv4 address (WHATWG URL, "ends in a number checker").
 */
const IPV4 = /(^|\.)(\d+|0x[\da-f]*)$/;
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/;

export class OwnNames {
  readonly #names: ReadonlySet<string>;
  /** Each with a leading dot. */
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

  /** @returns why this Host header is refused, or null. A browser always sends the header. */
  whyNotHost(host: string | undefined): string | null {
    if (host === undefined || host === '' || this.#has(host)) return null;
    return refusalOf('Host', host);
  }

  /** The same for the Origin header, which programs other than browsers do not send. */
  whyNotOrigin(origin: string | undefined): string | null {
    if (origin === undefined) return null;
    // Pages of this service have http or https; an extension of the browser or a file has not.
    const { protocol = '', host = '' } = URL.parse(origin) ?? {};
    if (/^https?:$/.test(protocol) && this.#has(host)) return null;
    return refusalOf('Origin', origin);
  }

  #has(authority: string): boolean {
    const name = plain(AUTHORITY.exec(authority)?.[1] ?? '?');
    if (this.#takesAll || this.#names.has(name)) return true;
    if (IPV4.test(name) || isIPv6(name.slice(1, -1))) return true;
    // These names always resolve to this machine (RFC 6761, section 6.3).
    if (name === 'localhost' || name.endsWith('.localhost')) return true;
    // Services in compose and Kubernetes call each other by names without a dot.
    if (this.#isOpenToNetwork && /^[\w-]+$/.test(name)) return true;
    return this.#domains.some((domain) => name.endsWith(domain) || name === domain.slice(1));
  }
}

/** The form in which names are compared: lower case, without a dot at the end. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function refusalOf(header: string, given: string): string {
  return (
    `${header} "${given.slice(0, 100)}" is not a known name of this service, so the request may come ` +
    'from a page of another site. Add the name to the setting ALLOWED_HOSTS, or use the IP address'
  );
}
