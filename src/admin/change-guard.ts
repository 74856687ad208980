/**
 * Who may change something over HTTP: somebody on this machine, by a program of theirs. Loopback
 * alone does not say that: a page in a browser on this machine can send requests to it (CSRF), a
 * name that resolves to 127.0.0.1 makes them look same-origin (DNS rebinding), and a proxy on this
 * machine makes all the world loopback.
 *
 * Where API keys are configured, an admin's key says it instead, from wherever it comes.
 */
import type { FastifyRequest } from 'fastify';
import { keyOfRequest } from '../access/access.ts';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];
const ACTOR = /^[\w .@-]{1,100}$/;

/** @returns why this request must not change anything, or null. */
export function whyNoChange(request: Pick<FastifyRequest, 'raw' | 'headers'>): string | null {
  // No other page knows the key: it cannot be made to travel along, as a cookie can.
  if (keyOfRequest(request)?.role === 'admin') return null;
  const { raw, headers } = request;
  if (!LOOPBACK.test(raw.socket.remoteAddress ?? '')) {
    return 'Changes are taken from this machine only; use the command line there';
  }
  if (PROXY_HEADERS.some((name) => headers[name] !== undefined)) {
    return 'Changes are not taken through a proxy';
  }
  if (!LOCAL_HOST.test(headers.host ?? '')) return 'The Host header does not name this machine';
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${headers.host}`) {
    return 'Changes are not taken from pages of another origin';
  }
  // A form of another page can send other types without asking; for JSON a browser asks first.
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) {
    return 'Changes need Content-Type: application/json';
  }
  return null;
}

/** For the audit: where it came from, and the name in the header Orderonce-Actor if there is one. */
export function actorOf(request: Pick<FastifyRequest, 'raw' | 'headers'>): string {
  const { raw, headers } = request;
  const key = keyOfRequest(request);
  const by = key === undefined ? '' : ` key ${key.name}`;
  const from = `http ${raw.socket.remoteAddress}${by}`;
  const name = headers['orderonce-actor'];
  return typeof name === 'string' && ACTOR.test(name) ? `${name} (${from})` : from;
}
