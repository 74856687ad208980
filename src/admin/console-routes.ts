/** `GET /`: the console. It is three static files that use the HTTP API of this service. */
import { readFileSync } from 'node:fs';
import type { HttpServer } from '../runtime/http-server.ts';
import type { Operation } from '../runtime/operation.ts';

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

/** Adds the routes of the console; its files are read once, when the routes are added. */
export function addConsoleRoutes(app: HttpServer): void {
  for (const [url, file, type] of FILES) {
    const text = readFileSync(new URL(`./console/${file}`, import.meta.url));
    app.get(url, url === '/' ? { config: { operation: GET_CONSOLE } } : {}, (_request, reply) =>
      reply.headers(HEADERS).type(type).send(text),
    );
  }
}
