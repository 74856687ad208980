/** The description of one method of one path (an OpenAPI operation), and the parts to make it of. */

/** A JSON Schema (2020-12). */
export type Schema = { readonly [keyword: string]: unknown };

/** @property example shown to readers; it must satisfy the schema. */
export type ApiParameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: Schema;
  readonly example: unknown;
  /** It searches in what senders wrote; see PAYLOAD_MARK. */
  readonly 'x-payload'?: true;
};

export type ApiContent = Readonly<
  Record<string, { readonly schema: Schema; readonly example: unknown }>
>;

export type ApiHeader = {
  readonly description: string;
  readonly schema: Schema;
  readonly example: unknown;
};

export type ApiResponse = {
  readonly description: string;
  readonly headers?: Readonly<Record<string, ApiHeader>>;
  readonly content?: ApiContent;
};

/** The groups of the API page, in its order. */
export const TAGS = {
  overview: 'What needs an operator now, activity over time, search, and live updates.',
  events: 'Send order events, and read what became of them.',
  orders: 'The orders that the built-in projection derives from their events.',
  'dead letters': 'Records that did not take effect: list, redrive, edit and discard them.',
  redrives: 'Jobs that redrive or discard many dead letters at a chosen rate.',
  ledgers: 'Records that were not stored as new events: duplicates and conflicts.',
  health: 'Whether the service works, how far it is, and its metrics.',
  about: 'What this service is, and this description of its API.',
} as const;

/**
 * One method of one path. The errors that any request may get are added to `responses`; see
 * responsesOf().
 */
export type Operation = {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly (keyof typeof TAGS)[];
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: {
    readonly description: string;
    readonly required: boolean;
    readonly content: ApiContent;
  };
  readonly responses: Readonly<Record<number, ApiResponse>>;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the API description says about this route. A route without it is not described. */
    operation?: Operation;
  }
}

/** A response with a JSON body. */
export function json(
  description: string,
  schema: Schema,
  example: unknown,
  headers: Readonly<Record<string, ApiHeader>> = {},
): ApiResponse {
  const content = { 'application/json': { schema, example } };
  return Object.keys(headers).length === 0
    ? { description, content }
    : { description, headers, content };
}

/** An object that has all of these fields. It may get more fields in a later release. */
export function record(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  return { type: 'object', required: Object.keys(properties), properties, ...more };
}

/** The same schema, and null. */
export function nullable(schema: Schema & { readonly type: string }): Schema {
  return { ...schema, type: [schema.type, 'null'] };
}

/** Marks the parts of an answer that show what senders wrote, and parameters that search in it. */
export const PAYLOAD_MARK = 'x-payload';

/** The same schema for what senders wrote: null for keys that may not see it (READ_ROLE_PAYLOADS). */
export function payload(schema: Schema): Schema {
  const { type } = schema;
  const types = type === undefined || (Array.isArray(type) && type.includes('null'));
  const widened = types ? schema : { ...schema, type: [type, 'null'].flat() };
  return { ...widened, [PAYLOAD_MARK]: true };
}

/** A page of a list. */
export function pageSchema(item: Schema): Schema {
  return record({
    items: { type: 'array', items: item },
    next: {
      type: ['string', 'null'],
      description: 'Give it as `after` to get the next page. It is null on the last page.',
    },
  });
}
