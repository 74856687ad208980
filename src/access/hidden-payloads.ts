/**
 * Hides from keys of the role `read` what senders wrote, if READ_ROLE_PAYLOADS is off. Which parts
 * of an answer that are, the description of the operation says: `payload()` marks them there.
 */

import type { FastifyRequest } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { type Operation, PAYLOAD_MARK, type Schema } from '../runtime/operation.ts';
import type { Settings } from '../settings/settings.ts';
import { keyOfRequest } from './access.ts';

/** Must be called before the routes are added. Errors are texts of our own, and stay. */
export function hidePayloads(app: HttpServer, { READ_ROLE_PAYLOADS }: Settings): void {
  if (READ_ROLE_PAYLOADS === 'on') return;
  const hidden = new WeakMap<Operation, ReadonlySet<string>>();
  app.addHook('onRoute', ({ config }) => {
    const operation = config?.operation;
    if (operation !== undefined) hidden.set(operation, payloadFieldsOf(operation));
  });
  const isReader = (request: FastifyRequest) => keyOfRequest(request)?.role === 'read';
  app.addHook('preHandler', (request, reply, done) => {
    const { operation } = request.routeOptions.config;
    const name = isReader(request) && operation && payloadSearchIn(request.url, operation);
    if (!name) return done();
    sendDetail(reply, 403, `This key may not see payloads, nor search in them by "${name}"`);
  });
  app.addHook('preSerialization', (request, _reply, body, done) => {
    const { operation } = request.routeOptions.config;
    const names = operation && hidden.get(operation);
    done(null, names && isReader(request) ? withoutPayloads(body, names) : body);
  });
}

/** The first parameter of a URL that searches in payloads; undefined if none does. Pure. */
export function payloadSearchIn(url: string, { parameters = [] }: Operation): string | undefined {
  const asked = new URLSearchParams(url.split('?')[1] ?? '');
  return parameters.find((one) => one[PAYLOAD_MARK] === true && asked.has(one.name))?.name;
}

/** The names of all marked fields in the answer 200. Pure. */
export function payloadFieldsOf({ responses }: Operation): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    const { properties } = part as Schema;
    for (const [name, schema] of Object.entries(properties ?? {})) {
      if ((schema as Schema)[PAYLOAD_MARK] === true) names.add(name);
    }
    for (const inner of Object.values(part)) visit(inner);
  };
  visit(responses[200]?.content?.['application/json']?.schema);
  return names;
}

/** A copy in which the fields with these names are null, at every depth. Pure. */
export function withoutPayloads(body: unknown, names: ReadonlySet<string>): unknown {
  if (typeof body !== 'object' || body === null) return body;
  if (Array.isArray(body)) return body.map((item) => withoutPayloads(item, names));
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      names.has(name) ? null : withoutPayloads(value, names),
    ]),
  );
}
