/**
 * Decides who may change something over HTTP: a program on this machine that is not a web page.
 * A loopback address alone does not prove that. A page in a browser on this machine can send
 * requests to it (CSRF), a name that resolves to 127.0.0.1 makes such requests look same-origin
 * (DNS rebinding), and requests of anybody arrive from loopback if a proxy on this machine
 * forwards them.
 *
 * If API keys are configured, a request with a key of role `admin` may make changes from anywhere.
 */
import type { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { keyOfRequest } from '../access/access.ts';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];
/** What no name of a person or program has; such characters become hyphens. */
const NO_NAME = /[^\p{L}\p{M}\p{N} _.,'’@+-]/gu;
const NAME_CHARS_MAX = 100;

type Asked = Pick<FastifyRequest, 'raw' | 'headers'>;

/**
 * Whether this client may make changes at all, whatever the request; the console asks before it
 * shows its buttons.
 * @returns why not, in words for the client; null if it may.
 */
export function whyNoChanges(request: Asked): string | null {
  // Another page does not know the key, and a browser does not attach it as it attaches cookies.
  const key = keyOfRequest(request);
  if (key?.role === 'admin') return null;
  if (key !== undefined)
    return `Changes need an API key of role "admin"; this one is for "${key.role}"`;
  const { raw, headers } = request;
  if (!LOOPBACK.test(raw.socket.remoteAddress ?? '')) {
    return 'Changes are accepted from this machine only. Use the command line there, or an API key of role admin';
  }
  if (PROXY_HEADERS.some((name) => headers[name] !== undefined)) {
    return 'Changes are not accepted through a proxy. Send the request directly';
  }
  if (!LOCAL_HOST.test(headers.host ?? '')) {
    return 'Changes need a Host header that names this machine, such as localhost:8001';
  }
  return null;
}

/** @returns why this request must not change anything, in words for the client; null if it may. */
export function whyNoChange(request: Asked): string | null {
  const why = whyNoChanges(request);
  if (why !== null || keyOfRequest(request) !== undefined) return why;
  const { raw, headers } = request;
  const { origin } = headers;
  const scheme = (raw.socket as TLSSocket).encrypted === true ? 'https' : 'http';
  if (origin !== undefined && origin !== `${scheme}://${headers.host}`) {
    return 'Changes are not accepted from pages of another origin';
  }
  // Browsers say so themselves, and no page can change it (Fetch Metadata). Programs do not send it.
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return 'Changes are not accepted from pages of another origin';
  }
  // A form on another page can send the other types without a preflight request. For JSON the
  // browser sends a preflight first, which this service does not grant.
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) {
    return 'Changes need Content-Type: application/json';
  }
  return null;
}

/**
 * Who makes the change, for the audit: the address of the client, the name of its API key, and the
 * name in the header Orderonce-Actor.
 */
export function actorOf(request: Pick<FastifyRequest, 'raw' | 'headers'>): string {
  const { raw, headers } = request;
  const key = keyOfRequest(request);
  const by = key === undefined ? '' : ` key ${key.name}`;
  const from = `http ${raw.socket.remoteAddress}${by}`;
  const name = nameIn(headers['orderonce-actor']);
  return name === null ? from : `${name} (${from})`;
}

/**
 * The name that was sent, as UTF-8 or percent-encoded, with hyphens for what the audit does not take.
 * Node gives header bytes as Latin-1; browsers can send others than ASCII only percent-encoded.
 */
function nameIn(sent: string | string[] | undefined): string | null {
  if (typeof sent !== 'string') return null;
  const text = decoded(Buffer.from(sent, 'latin1').toString('utf8'));
  const all = text.normalize('NFC').replaceAll(NO_NAME, '-');
  // By code points: half of a surrogate pair is no text.
  const name = [...all].slice(0, NAME_CHARS_MAX).join('');
  return /[\p{L}\p{N}]/u.test(name) ? name : null;
}

/** A text that is not percent-encoded properly is taken as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
