/** Compiles the declared shape of a type's data into a check and a JSON Schema. */

import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { OrderonceError, reasonOf } from '../errors.ts';
import { findCoercion, isUnchanged } from './data-probe.ts';
import type { JsonSchema, StandardIssue, StandardResult, StandardSchema } from './declaration.ts';
import { FIELD_ERRORS_MAX } from './field-error.ts';

/** What is wrong with a value. `path` leads to it from the data. */
export type DataIssue = {
  readonly type: string;
  readonly path: readonly (string | number)[];
  readonly msg: string;
};

export type DataSchema = {
  readonly jsonSchema: JsonSchema;
  /**
   * Never changes the value, and never throws. No issues: the value is valid. At most
   * FIELD_ERRORS_MAX are given.
   */
  readonly check: (value: unknown) => readonly DataIssue[];
};

const UNCHANGED = 'Values are stored as they were sent';
const TARGET = 'draft-2020-12';

/**
 * @param where the type and version, for messages.
 * @throws EVENTS_INVALID if the schema cannot be used, with the path and the reason.
 */
export function compileDataSchema(
  where: string,
  declared: StandardSchema | JsonSchema,
): DataSchema {
  const compiled = isStandard(declared)
    ? compileStandard(where, declared)
    : { jsonSchema: declared, check: compileJsonSchema(where, declared) };
  if (compiled.jsonSchema.type !== 'object') {
    throw invalid(where, 'must describe an object ("type": "object")');
  }
  return compiled;
}

function invalid(where: string, what: string, cause?: unknown): OrderonceError {
  return new OrderonceError('EVENTS_INVALID', `The data of ${where} ${what}`, { cause });
}

function isStandard(declared: StandardSchema | JsonSchema): declared is StandardSchema {
  return '~standard' in declared;
}

const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  ...{ strictTypes: false, strictTuples: false, strictRequired: false },
  logger: false,
});
addFormats.default(ajv);

function compileJsonSchema(where: string, schema: JsonSchema): DataSchema['check'] {
  refuseDefaults(where, schema);
  try {
    const validate = ajv.compile({ ...schema });
    return (value) => (validate(value) ? [] : first(validate.errors ?? []).map(issueOfAjv));
  } catch (error) {
    throw invalid(where, `cannot be compiled as a JSON Schema: ${reasonOf(error)}`, error);
  }
}

function refuseDefaults(where: string, schema: JsonSchema): void {
  const path = findKeyword(schema, 'default');
  if (path === null) return;
  throw invalid(where, `declares a default at ${path}, but values are never changed`);
}

/** The path of the first schema that has this keyword, as a JSON pointer; or null. */
function findKeyword(schema: unknown, keyword: string, path = '#'): string | null {
  if (typeof schema !== 'object' || schema === null) return null;
  const isMap = /\/(properties|patternProperties|\$defs|definitions)$/.test(path);
  if (!isMap && !Array.isArray(schema) && Object.hasOwn(schema, keyword)) return path;
  for (const [key, part] of Object.entries(schema)) {
    if (!isMap && ['enum', 'const', 'examples'].includes(key)) continue;
    const found = findKeyword(part, keyword, `${path}/${key}`);
    if (found !== null) return found;
  }
  return null;
}

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

function issueOfAjv({ keyword, instancePath, params, message = '' }: ErrorObject): DataIssue {
  const path = pathOf(instancePath);
  const extra = params.additionalProperty ?? params.unevaluatedProperty;
  if (keyword === 'required') {
    return { type: 'missing', path: [...path, params.missingProperty], msg: 'Field required' };
  }
  if (typeof extra === 'string') {
    return { type: 'extra_forbidden', path: [...path, extra], msg: EXTRA };
  }
  return { type: typeOf(keyword, params), path, msg: `Input ${message}` };
}

/** One array can hold a hundred thousand values of a wrong type. */
function first<T>(issues: readonly T[]): readonly T[] {
  return issues.length > FIELD_ERRORS_MAX ? issues.slice(0, FIELD_ERRORS_MAX) : issues;
}

const CHANGED: DataIssue = {
  type: 'value_changed',
  path: [],
  msg: 'Input should have the form that the schema makes of it; values are stored as they were sent',
};

const EXTRA = 'Extra inputs are not permitted';

function typeOf(keyword: string, params: ErrorObject['params']): string {
  if (keyword === 'type') return TYPE_TYPES[String(params.type)] ?? 'value_error';
  if (keyword === 'format') return FORMAT_TYPES[String(params.format)] ?? 'value_error';
  return TYPES[keyword] ?? 'value_error';
}

/** The path of a JSON pointer (RFC 6901). Indexes become numbers, as FastAPI has them. */
function pathOf(pointer: string): (string | number)[] {
  const parts = pointer.split('/').slice(1);
  return parts.map((part) => {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    return /^\d+$/.test(key) ? Number(key) : key;
  });
}

function compileStandard(where: string, schema: StandardSchema): DataSchema {
  const { vendor, validate } = schema['~standard'];
  const jsonSchema = jsonSchemaOf(where, schema, 'input');
  const output = jsonSchemaOf(where, schema, 'output');
  refuseDefaults(where, jsonSchema);
  const difference = firstDifference(jsonSchema, output, '#');
  if (difference !== null) {
    const what = 'the schema changes the value (a coercion, a transform or a default)';
    throw invalid(
      where,
      `cannot be used: at ${difference} ${what}. Values are stored as they were sent`,
    );
  }
  if (validate({}) instanceof Promise) {
    throw invalid(where, 'is checked asynchronously, but a check must not wait for anything');
  }
  const check = (value: unknown) => {
    try {
      const result = validate(value);
      if (result instanceof Promise) throw new Error('the check is asynchronous');
      const { issues, value: output } = result as StandardResult;
      if (issues !== undefined) return first(first(issues).flatMap((i) => issuesOf(i, value)));
      return isUnchanged(value, output) ? [] : [CHANGED];
    } catch (error) {
      const msg = `The schema (${vendor}) failed: ${reasonOf(error)}`.slice(0, 500);
      return [{ type: 'validator_failed', path: [], msg }];
    }
  };
  const refused = (value: unknown) => check(value).filter((issue) => issue !== CHANGED);
  const coerced = findCoercion(jsonSchema, (value) => refused(value).map(({ path }) => path));
  if (coerced !== null) {
    throw invalid(where, `cannot be used: it converts the value at ${coerced}. ${UNCHANGED}`);
  }
  return { jsonSchema, check };
}

type Convertible = {
  readonly '~standard': {
    readonly jsonSchema?: Record<'input' | 'output', (options: object) => unknown>;
  };
  readonly toJSONSchema?: (options: object) => unknown;
};

/** The JSON Schema of what a Standard Schema takes or gives. @throws EVENTS_INVALID */
function jsonSchemaOf(where: string, schema: StandardSchema, io: 'input' | 'output'): JsonSchema {
  const convertible = schema as unknown as Convertible;
  const standard = convertible['~standard'].jsonSchema;
  try {
    const found =
      standard !== undefined
        ? standard[io]({ target: TARGET })
        : convertible.toJSONSchema?.({ target: TARGET, io });
    if (typeof found === 'object' && found !== null) return withoutDialect(found);
  } catch (error) {
    throw invalid(where, `cannot be expressed as a JSON Schema: ${reasonOf(error)}`, error);
  }
  const { vendor } = schema['~standard'];
  const hint = 'Declare it as a JSON Schema, or with a library that supports Standard JSON Schema';
  throw invalid(
    where,
    `cannot be expressed as a JSON Schema: "${vendor}" does not offer it. ${hint}`,
  );
}

/** A plain copy without `$schema` and without what a library adds for itself. */
function withoutDialect(schema: object): JsonSchema {
  const { $schema: _, ...rest } = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
  return rest;
}

/** Libraries describe their output as closed, because they drop unknown members from it. */
const OF_OUTPUT = ['additionalProperties'];

/** The path of the first difference between what a schema takes and what it gives; or null. */
function firstDifference(input: unknown, output: unknown, path: string): string | null {
  if (
    typeof input !== 'object' ||
    typeof output !== 'object' ||
    input === null ||
    output === null
  ) {
    return input === output ? null : path;
  }
  const keys = new Set([...Object.keys(input), ...Object.keys(output)]);
  for (const key of keys) {
    if (OF_OUTPUT.includes(key) && !Object.hasOwn(input, key)) continue;
    const [a, b] = [input, output].map((part) => (part as Record<string, unknown>)[key]);
    const found = firstDifference(a, b, `${path}/${key}`);
    if (found !== null) return found;
  }
  return null;
}

function issuesOf(issue: StandardIssue, data: unknown): readonly DataIssue[] {
  const path = (issue.path ?? []).map((part) => {
    const key = typeof part === 'object' ? part.key : part;
    return typeof key === 'number' ? key : String(key);
  });
  const { keys } = issue as { readonly keys?: unknown };
  if (Array.isArray(keys)) {
    return first(keys).map((key) => ({
      type: 'extra_forbidden',
      path: [...path, String(key)],
      msg: EXTRA,
    }));
  }
  if (path.length > 0 && !isPresent(data, path)) {
    return [{ type: 'missing', path, msg: 'Field required' }];
  }
  return [{ type: 'value_error', path, msg: issue.message.slice(0, 500) }];
}

function isPresent(data: unknown, path: readonly (string | number)[]): boolean {
  let value = data;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}
