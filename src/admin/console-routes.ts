/**
 * `GET /` and `/console/*`: the console, one page and static files that use the HTTP API of this
 * service; and `GET /access`, by which it knows whether to show the buttons that make changes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HttpServer } from '../runtime/http-server.ts';
import { json, nullable, type Operation, record } from '../runtime/operation.ts';
import { whyNoChanges } from './change-guard.ts';

const FOLDER = fileURLToPath(new URL('./console/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};
const PAGE = 'index.html';
/** One page for all of them: its script shows what the path names. */
const PAGE_URLS = ['/', '/console', '/console/*'];

/**
 * Only scripts and styles of this service are loaded, and only this service is called. Text can never
 * become script (Trusted Types). No other page may show the console in a frame, since a click on its
 * buttons changes data (clickjacking), nor keep a handle of its window.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

const GET_CONSOLE: Operation = {
  summary: 'The console, a page for operators',
  description:
    'It shows what needs somebody, and events, orders, dead letters, redrives and partitions. The paths below `/console` lead to its pages.',
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
  const add = (url: string, file: string) => {
    const text = readFileSync(join(FOLDER, file));
    const type = TYPES[extname(file)];
    app.get(url, url === '/' ? { config: { operation: GET_CONSOLE } } : {}, (_request, reply) =>
      reply
        .headers(HEADERS)
        .type(type as string)
        .send(text),
    );
  };
  for (const url of PAGE_URLS) add(url, PAGE);
  for (const file of filesOfConsole()) add(`/console/files/${file}`, file);
  app.get('/access', { config: { operation: GET_ACCESS } }, (request) => {
    const why = whyNoChanges(request);
    return { may_change: why === null, why_not: why };
  });
}

/** The files that the page loads: their paths in the folder, with `/` between the parts. */
function filesOfConsole(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll(sep, '/'))
    .filter((file) => file !== PAGE && TYPES[extname(file)] !== undefined);
}
