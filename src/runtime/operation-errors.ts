/** Descriptions of errors, which are the same on every route. */
import type { ApiHeader, ApiResponse, Schema } from './operation.ts';

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** Schemas of every service. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: {
    type: 'object',
    required: ['detail'],
    properties: { detail: { type: 'string', description: 'What is wrong, for people.' } },
  },
  FieldErrors: {
    type: 'object',
    required: ['detail'],
    properties: {
      detail: { type: 'array', minItems: 1, maxItems: 100, items: ref('FieldError') },
    },
  },
  FieldError: {
    type: 'object',
    required: ['type', 'loc', 'msg', 'input'],
    properties: {
      type: { type: 'string', description: 'For programs, as in FastAPI and Pydantic 2.' },
      loc: {
        type: 'array',
        description: 'Where the error is: `body`, `path` or `query`, then the name of the field.',
        items: { type: ['string', 'integer'] },
      },
      msg: { type: 'string', description: 'For people.' },
      input: { description: 'The refused value, cut to 200 characters.' },
      ctx: { type: 'object', description: 'The limit that the value exceeds, for example.' },
    },
  },
};

export const ERROR = ref('Error');
export const FIELD_ERRORS = ref('FieldErrors');

export const RETRY_AFTER: ApiHeader = {
  description: 'Seconds after which a retry may succeed.',
  schema: { type: 'integer', minimum: 1 },
  example: 1,
};

/** A response with `{"detail": "..."}`. */
export function detail(
  description: string,
  example: string,
  headers?: Readonly<Record<string, ApiHeader>>,
): ApiResponse {
  const content = { 'application/json': { schema: ERROR, example: { detail: example } } };
  return headers === undefined ? { description, content } : { description, headers, content };
}

/** A response with a list of errors: those of fields, or those of parameters. */
export function fieldErrors(description: string, example: object): ApiResponse {
  const content = {
    'application/json': { schema: FIELD_ERRORS, example: { detail: [example] } },
  };
  return { description, content };
}

/** The answer to parameters that are not valid. */
export const PARAMETERS_REFUSED = fieldErrors(
  'A parameter is not valid, is given twice, or is not a parameter of this path.',
  {
    type: 'uuid_parsing',
    loc: ['query', 'event_id'],
    msg: 'Input should be a valid UUID',
    input: 'x',
  },
);

export const ERRORS = {
  400: detail(
    'The request is not valid HTTP, has no Host header, or its body cannot be decompressed.',
    'The request has no Host header',
  ),
  401: detail(
    'API keys are configured, and the request has none or an unknown one.',
    'Send Authorization: Bearer KEY',
    {
      'WWW-Authenticate': {
        description: 'The scheme of the credentials (RFC 6750).',
        schema: { type: 'string' },
        example: 'Bearer',
      },
    },
  ),
  403: detail(
    'The API key has another role than the one that is needed. Or a client certificate is needed and ' +
      'missing. Or, without API keys and TLS, the request may come from a page of another site.',
    'This key is for "ingest", not for "read"',
  ),
  404: detail('There is no such path.', 'Not Found'),
  405: detail(
    'The parameters make this another path, which does not support the method.',
    'Method Not Allowed',
    {
      Allow: {
        description: 'The methods that the path supports (RFC 9110, section 10.2.1).',
        schema: { type: 'string' },
        example: 'OPTIONS, POST',
      },
    },
  ),
  413: detail(
    "The body is larger after decompression than the service accepts: a dead letter's event may have " +
      '`EVENT_BYTES_MAX` bytes (64 KiB by default).',
    'Request body is over 65536 bytes',
  ),
  415: detail(
    'The body is not JSON in UTF-8, or its Content-Encoding is not supported. `detail` says what is ' +
      'accepted.',
    'There is no Content-Type. Send application/json, in UTF-8',
    {
      'Accept-Encoding': {
        description: 'The supported encodings; sent if Content-Encoding is the reason.',
        schema: { type: 'string' },
        example: 'gzip, deflate',
      },
    },
  ),
  429: detail(
    'The API key may not send more events now: its rate or its quota of the day is used up.',
    'More events than this key may send now',
    { 'Retry-After': RETRY_AFTER },
  ),
  500: detail(
    'An unexpected error. The log of the service gives its reason.',
    'Internal Server Error',
  ),
  503: detail(
    'PostgreSQL does not answer now. The same request may succeed later.',
    'DATABASE_UNAVAILABLE: Query read timeout',
    { 'Retry-After': RETRY_AFTER },
  ),
} as const satisfies Record<number, ApiResponse>;
