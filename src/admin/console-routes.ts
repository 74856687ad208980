/**
 * `GET /`: the console, three static files that use the HTTP API of this service; and `GET /access`,
 * by which it knows whether to show the buttons that make changes.
 */
import { readFileSync } from 'node:fs';
import type { HttpServer } from '../runtime/http-server.ts';
import { json, nullable, type Operation, record } from '../runtime/operation.ts';
import { whyNoChanges } from './change-guard.ts';

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/console/console.js', 'console.js', 'text/javascript; charset=utf-8'],
  ['/console/console.css', 'console.css', 'text/css; charset=utf-8'],
] as const;

/**
 * Only scripts and styles of this service are loaded, and only this service is called. No other
 * page may show the console in a frame, since a click on its buttons changes data (clickjacking).
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

const GET_CONSOLE: Operation = {
  summary: 'The console, a page for operators',
  description: 'It shows partitions, events, orders and dead letters, and redrives dead letters.',
  tags: ['about'],
  responses: {
    200: {
      description: 'The page.',
      content: { 'text/html': { schema: { type: 'string' }, example: '<!doctype html>…' } },
    },
  },
};

const GET_ACCESS: Operation = {
  summary: 'Whether this client may make changes',
  description: 'A change also needs the headers that its own description names.',
  tags: ['about'],
  responses: {
    200: json(
      'The answer; `why_not` is null if changes are allowed.',
      record({ may_change: { type: 'boolean' }, why_not: nullable({ type: 'string' }) }),
      { may_change: true, why_not: null },
    ),
  },
};

/** Adds the routes of the console; its files are read once, when the routes are added. */
export function addConsoleRoutes(app: HttpServer): void {
  for (const [url, file, type] of FILES) {
    const text = readFileSync(new URL(`./console/${file}`, import.meta.url));
    app.get(url, url === '/' ? { config: { operation: GET_CONSOLE } } : {}, (_request, reply) =>
      reply.headers(HEADERS).type(type).send(text),
    );
  }
  app.get('/access', { config: { operation: GET_ACCESS } }, (request) => {
    const why = whyNoChanges(request);
    return { may_change: why === null, why_not: why };
  });
}
