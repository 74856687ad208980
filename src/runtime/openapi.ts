/**
 * The OpenAPI description of a service (OpenAPI 3.1). Each route carries the description of its
 * operation in `config.operation`. It is documentation only: Fastify neither validates requests nor
 * serialises answers by it, because the services validate bodies and parameters themselves.
 */
import { isOpenPath } from './open-paths.ts';
import { type ApiResponse, type Operation, type Schema, TAGS } from './operation.ts';
import { ERRORS, SCHEMAS } from './operation-errors.ts';
import { VERSION } from './version.ts';

export type ApiInfo = {
  readonly title: string;
  readonly description: string;
  /** Schemas that operations refer to as `#/components/schemas/NAME`. */
  readonly schemas?: Readonly<Record<string, Schema>>;
  /** Whether requests need an API key: API_KEYS_FILE is set. */
  readonly needsKey?: boolean;
  /**
   * Which failures are outages of what the service depends on, in words for the client; null: another
   * one. They are answered 503, since a retry may succeed, and all others 500.
   */
  readonly outageOf?: (error: unknown) => string | null;
};

const METHODS =
  'A method that a path does not support is answered 405; the header `Allow` lists the supported ones. ' +
  '`OPTIONS` is answered 204 with the same header, and `HEAD` like `GET` without a body. ' +
  'Input that is not valid HTTP is answered 400, 408, 417 or 431. Every error is JSON with `detail`.';

/** Collects the operations of a service while its routes are added. */
export class ApiDescription {
  readonly #paths: Record<string, Record<string, unknown>> = {};
  readonly #tags = new Set<string>();
  readonly #info: ApiInfo;

  constructor(info: ApiInfo) {
    this.#info = info;
  }

  /** @param url as Fastify writes it: `:name` stands for a parameter. */
  add(url: string, method: string | readonly string[], operation: Operation): void {
    const path = url.replace(/:(\w+)/g, '{$1}');
    const isOpen = isOpenPath(url);
    const methods = [method].flat().filter((name) => name !== 'HEAD');
    for (const name of methods) {
      const security = isOpen ? [] : this.#info.needsKey === true ? [KEYED] : [{}, KEYED];
      const hasOutages = this.#info.outageOf !== undefined && !isOpen;
      const responses = responsesOf(operation, { path, method: name, isOpen, hasOutages });
      const item = { ...operation, operationId: idOf(name, path), security, responses };
      this.#paths[path] = { ...this.#paths[path], [name.toLowerCase()]: item };
    }
    for (const tag of operation.tags) this.#tags.add(tag);
  }

  /** The whole description. */
  document(): object {
    const { title, description, schemas = {} } = this.#info;
    return {
      openapi: '3.1.0',
      info: {
        title,
        description: `${description}\n\n${METHODS}`,
        version: VERSION,
        license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: Object.entries(TAGS)
        .filter(([name]) => this.#tags.has(name))
        .map(([name, text]) => ({ name, description: text })),
      paths: this.#paths,
      components: {
        schemas: { ...SCHEMAS, ...schemas },
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description:
              'An API key, made by `orderonce keys new`. Needed only if the setting API_KEYS_FILE ' +
              'is set. The role of the key says what it may do: `ingest` sends events, `read` reads, ' +
              '`admin` reads and makes changes.',
          },
        },
      },
    };
  }
}

const KEYED = { apiKey: [] };

/**
 * The operation's own responses, and those that come before its handler runs: a refused request,
 * a refused body, an unexpected error.
 */
function responsesOf(
  { responses, requestBody }: Operation,
  {
    path,
    method,
    isOpen,
    hasOutages,
  }: { path: string; method: string; isOpen: boolean; hasOutages: boolean },
): Readonly<Record<string, ApiResponse>> {
  const isIngest = method === 'POST' && path.startsWith('/events');
  return {
    400: ERRORS[400],
    ...(isOpen ? {} : { 401: ERRORS[401], 403: ERRORS[403] }),
    ...(path.includes('{') ? { 404: ERRORS[404], 405: ERRORS[405] } : {}),
    ...(requestBody === undefined ? {} : { 413: ERRORS[413], 415: ERRORS[415] }),
    ...(isIngest ? { 429: ERRORS[429] } : {}),
    500: ERRORS[500],
    ...(hasOutages ? { 503: ERRORS[503] } : {}),
    ...responses,
  };
}

/** `GET /orders/{order_id}/events` → `getOrdersByOrderIdEvents`: generators name methods by it. */
function idOf(method: string, path: string): string {
  const words = path
    .replace(/\{(\w+)\}/g, 'by-$1')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return method.toLowerCase() + (words.length === 0 ? 'Root' : words.map(capital).join(''));
}
