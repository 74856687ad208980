/** The API descriptions of both services, held against their routes. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it, type TestContext } from 'node:test';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { testSettings } from '../../test/support/settings.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { createLogger } from '../runtime/logger.ts';
import { startConsumer } from './consumer-service.ts';

type Content = Record<string, { schema?: object; example?: unknown }>;
type Described = {
  summary?: string;
  tags?: string[];
  parameters?: {
    name: string;
    in: string;
    description?: string;
    schema?: object;
    example?: unknown;
  }[];
  requestBody?: { description?: string; content: Content };
  responses: Record<string, { description?: string; content?: Content }>;
};
type Document = {
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Described>>;
};
type Found = { url: string; document: Document; routes: string[] };

/** Pages and files that are no API: the documentation's own, and those of the console. */
const FILES = /^\/(docs|console)(\/|$)/;

/** Collects the routes of the servers that `start` creates, as `GET /events/{event_id}`. */
async function find(start: () => Promise<number>): Promise<Found> {
  const routes: string[] = [];
  const listener = (message: unknown) => {
    const { fastify } = message as { fastify: HttpServer };
    fastify.addHook('onRoute', ({ url, method }) => {
      if (FILES.test(url)) return;
      const path = url.replace(/:(\w+)/g, '{$1}');
      routes.push(...[method].flat().map((name) => `${name} ${path}`));
    });
  };
  subscribe('fastify.initialization', listener);
  const port = await start();
  unsubscribe('fastify.initialization', listener);
  const url = `http://127.0.0.1:${port}`;
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Document;
  return { url, document, routes: routes.filter((route) => !route.startsWith('HEAD ')) };
}

const SERVICES: Record<string, (t: TestContext) => Promise<Found>> = {
  'The ingest API': (t) => find(async () => (await startIngest(t)).service.port),
  'The API of the consumer': (t) =>
    find(async () => {
      // Nothing listens there: the description needs no database.
      const database = 'postgres://nobody@127.0.0.1:1/none';
      const logger = createLogger('silent');
      const service = await startConsumer(testSettings(), database, new FakeReader(1), logger);
      t.after(() => service.stop());
      return service.port;
    }),
};

for (const [title, start] of Object.entries(SERVICES)) {
  describe(title, () => {
    it('describes each route: summary, tag, parameters, body, and responses with examples', async (t) => {
      const { document, routes } = await start(t);
      const described = Object.entries(document.paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
      );
      assert.deepEqual(described.sort(), [...new Set(routes)].sort());
      const tags = document.tags.map(({ name }) => name);
      assert.deepEqual(
        document.tags.filter(({ description }) => !description),
        [],
      );
      const used = new Set<string>();
      for (const [path, operations] of Object.entries(document.paths)) {
        for (const [method, operation] of Object.entries(operations)) {
          const name = `${method} ${path}`;
          assert.ok(operation.summary, name);
          assert.ok(
            operation.tags?.length === 1 && tags.includes(operation.tags[0] as string),
            name,
          );
          used.add(operation.tags[0] as string);
          const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
          const parameters = operation.parameters ?? [];
          assert.deepEqual(
            parameters.filter((parameter) => parameter.in === 'path').map((one) => one.name),
            inPath,
          );
          for (const one of parameters) {
            assert.ok(
              one.description && one.schema && one.example !== undefined,
              `${name} ${one.name}`,
            );
          }
          const bodies = Object.entries(operation.responses);
          if (operation.requestBody) bodies.push(['body', operation.requestBody]);
          for (const [status, { description, content = {} }] of bodies) {
            assert.ok(description, `${name} ${status}`);
            // Only a redirect has no body.
            assert.ok(status === '307' || Object.keys(content).length > 0, `${name} ${status}`);
            for (const { schema, example } of Object.values(content)) {
              assert.ok(schema && example !== undefined, `${name} ${status}`);
            }
          }
        }
      }
      assert.deepEqual([...used].sort(), [...tags].sort());
    });

    it('answers OPTIONS, and 405 for other methods, with the described methods in Allow', async (t) => {
      const { url, document } = await start(t);
      for (const [path, operations] of Object.entries(document.paths)) {
        const methods = Object.keys(operations).map((method) => method.toUpperCase());
        if (methods.includes('GET')) methods.push('HEAD');
        const allow = [...methods, 'OPTIONS'].sort().join(', ');
        for (const method of [
          'OPTIONS',
          'DELETE',
          'PATCH',
          ...(methods.includes('GET') ? [] : ['GET', 'HEAD']),
        ]) {
          const answer = await fetch(url + path.replace(/\{\w+\}/g, '1'), {
            method,
            redirect: 'manual',
          });
          const found = [method, path, answer.status, answer.headers.get('allow')];
          assert.deepEqual(found, [method, path, method === 'OPTIONS' ? 204 : 405, allow]);
        }
      }
      const unknown = await fetch(`${url}/nowhere`, { method: 'OPTIONS' });
      assert.deepEqual([unknown.status, unknown.headers.get('allow')], [404, null]);
    });
  });
}

describe('GET / of the ingest API', () => {
  it('is HTML for a browser and JSON otherwise, with links that lead somewhere', async (t) => {
    const { url } = await startIngest(t);
    const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
    const kinds = {
      [browser]: 'html',
      '*/*': 'json',
      'application/json': 'json',
      'text/html;q=0.1,application/json': 'json',
    };
    for (const [accept, kind] of Object.entries(kinds)) {
      const answer = await fetch(url, { headers: { accept } });
      assert.match(answer.headers.get('content-type') ?? '', new RegExp(kind), accept);
      assert.equal(answer.headers.get('vary'), 'Accept');
      assert.match(await answer.text(), /http:\/\/127\.0\.0\.1:\d+\/.*\/health/s);
    }
    const { links } = (await (await fetch(url)).json()) as { links: Record<string, string> };
    for (const name of ['documentation', 'openapi', 'metrics']) {
      assert.equal((await fetch(url + links[name])).status, 200, name);
    }
  });
});
