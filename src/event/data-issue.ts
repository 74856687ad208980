/** What is wrong with data, and what the errors of Ajv are called. */
import type { ErrorObject } from 'ajv/dist/2020.js';

/** What is wrong with a value. `path` leads to it from the data. */
export type DataIssue = {
  readonly type: string;
  readonly path: readonly (string | number)[];
  readonly msg: string;
};

export const EXTRA = 'Extra inputs are not permitted';

/** The names of FastAPI and Pydantic 2 for what the keywords of JSON Schema refuse. */
const TYPES: Readonly<Record<string, string>> = {
  required: 'missing',
  additionalProperties: 'extra_forbidden',
  unevaluatedProperties: 'extra_forbidden',
  pattern: 'string_pattern_mismatch',
  minLength: 'string_too_short',
  maxLength: 'string_too_long',
  minItems: 'too_short',
  maxItems: 'too_long',
  minimum: 'greater_than_equal',
  exclusiveMinimum: 'greater_than',
  maximum: 'less_than_equal',
  exclusiveMaximum: 'less_than',
  multipleOf: 'multiple_of',
  enum: 'enum',
  const: 'literal_error',
};
const TYPE_TYPES: Readonly<Record<string, string>> = {
  string: 'string_type',
  integer: 'int_type',
  number: 'float_type',
  boolean: 'bool_type',
  array: 'list_type',
  object: 'dict_type',
};
const FORMAT_TYPES: Readonly<Record<string, string>> = {
  uuid: 'uuid_parsing',
  'date-time': 'datetime_parsing',
  date: 'date_parsing',
  uri: 'url_parsing',
};

/** @returns the error as an answer of the API names it. */
export function issueOfAjv(
  { keyword, instancePath, params, message = '' }: ErrorObject,
  data: unknown,
): DataIssue {
  const path = pathOf(instancePath, data);
  const extra = params.additionalProperty ?? params.unevaluatedProperty;
  if (keyword === 'required') {
    return { type: 'missing', path: [...path, params.missingProperty], msg: 'Field required' };
  }
  if (typeof extra === 'string') {
    return { type: 'extra_forbidden', path: [...path, extra], msg: EXTRA };
  }
  return { type: typeOf(keyword, params), path, msg: `Input ${message}` };
}

function typeOf(keyword: string, params: ErrorObject['params']): string {
  if (keyword === 'type') return TYPE_TYPES[String(params.type)] ?? 'value_error';
  if (keyword === 'format') return FORMAT_TYPES[String(params.format)] ?? 'value_error';
  return TYPES[keyword] ?? 'value_error';
}

/** The path of a JSON pointer (RFC 6901). Indexes of arrays become numbers, as FastAPI has them. */
function pathOf(pointer: string, data: unknown): (string | number)[] {
  let value = data;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const text = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const key = Array.isArray(value) ? Number(text) : text;
      value = (value as Record<string | number, unknown> | undefined)?.[key];
      return key;
    });
}
