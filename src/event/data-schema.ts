/** Compiles the declared shape of a type's data into a check and a JSON Schema. */

import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { OrderonceError, reasonOf } from '../errors.ts';
import { type DataIssue, EXTRA, issueOfAjv } from './data-issue.ts';
import { findCoercion, isUnchanged } from './data-probe.ts';
import type { JsonSchema, StandardIssue, StandardResult, StandardSchema } from './declaration.ts';
import { FIELD_ERRORS_MAX } from './field-error.ts';
import { faultPath } from './schema-fault.ts';

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
  if (!/^(object|function)$/.test(typeof declared) || declared === null) {
    throw invalid(where, 'must be a Standard Schema, or a JSON Schema as an object');
  }
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

function newAjv(options: { readonly validateSchema: boolean }): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    ownProperties: true,
    strict: true,
    ...{ strictTypes: false, strictTuples: false, strictRequired: false },
    // Otherwise 4.35 is no multiple of 0.01.
    multipleOfPrecision: 9,
    logger: false,
    ...options,
  });
  addFormats.default(ajv);
  return ajv;
}

/** Checks schemas, for all that are declared: compiling the schema of schemas takes the longest. */
const CHECKER = newAjv({ validateSchema: true });

function compileJsonSchema(where: string, schema: JsonSchema): DataSchema['check'] {
  refuseDefaults(where, schema);
  if (schema.$async === true) {
    throw invalid(where, 'is checked asynchronously ($async), but a check must not wait');
  }
  try {
    CHECKER.validateSchema({ ...schema }, true);
    // One for each schema: an instance would not take the same `$id` twice.
    const validate = newAjv({ validateSchema: false }).compile({ ...schema });
    return (value) =>
      validate(value) ? [] : first(validate.errors ?? []).map((error) => issueOfAjv(error, value));
  } catch (error) {
    const path = faultPath(schema, (part) => !canCompile(schema, part));
    const reason = reasonOf(error);
    throw invalid(where, `cannot be compiled as a JSON Schema: at ${path}: ${reason}`, error);
  }
}

/** A part that refers to definitions needs those of the whole. */
function canCompile({ $defs, definitions }: JsonSchema, part: object): boolean {
  const whole = { ...($defs ? { $defs } : {}), ...(definitions ? { definitions } : {}), ...part };
  try {
    CHECKER.validateSchema(whole, true);
    newAjv({ validateSchema: false }).compile(whole);
    return true;
  } catch {
    return false;
  }
}

function refuseDefaults(where: string, schema: JsonSchema): void {
  const path = findKeyword(schema, 'default');
  if (path === null) return;
  throw invalid(where, `declares a default at ${path}, but values are never changed`);
}

/** Keywords whose members are not keywords: schemas by name, or names. */
const MAPS =
  /^(properties|patternProperties|\$defs|definitions|dependentRequired|dependentSchemas)$/;
const VALUES = ['enum', 'const', 'examples'];

/** The path of the first schema that has this keyword, as a JSON pointer; or null. */
function findKeyword(schema: unknown, keyword: string, path = '#', isMap = false): string | null {
  if (typeof schema !== 'object' || schema === null) return null;
  if (!isMap && !Array.isArray(schema) && Object.hasOwn(schema, keyword)) return path;
  for (const [key, part] of Object.entries(schema)) {
    if (!isMap && VALUES.includes(key)) continue;
    const found = findKeyword(part, keyword, `${path}/${key}`, !isMap && MAPS.test(key));
    if (found !== null) return found;
  }
  return null;
}

/**
 * Whether a result is a promise. Zod returns one also for a check that throws. Nobody waits for it,
 * and without this its rejection would end the process.
 */
export function isPromise(result: unknown): result is Promise<unknown> {
  if (!(result instanceof Promise)) return false;
  result.catch(() => {});
  return true;
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
  if (isPromise(validate({}))) {
    throw invalid(where, 'is checked asynchronously, but a check must not wait for anything');
  }
  const judge = (value: unknown, issuesMax: number): readonly DataIssue[] => {
    try {
      const result = validate(value);
      if (isPromise(result)) throw new Error('the check threw an error, or is asynchronous');
      const { issues, value: output } = result as StandardResult;
      if (issues?.length === 0) throw new Error('it refuses the data without an issue');
      if (issues !== undefined)
        return issues.slice(0, issuesMax).flatMap((i) => issuesOf(i, value));
      return isUnchanged(value, output) ? [] : [CHANGED];
    } catch (error) {
      const msg = `The schema (${vendor}) failed: ${reasonOf(error)}`.slice(0, 500);
      return [{ type: 'validator_failed', path: [], msg }];
    }
  };
  const check = (value: unknown) => first(judge(value, FIELD_ERRORS_MAX));
  // A sample has an issue at each place with a pattern, so the one that is looked for may come late.
  const pathsOf = (value: unknown) =>
    judge(value, Number.POSITIVE_INFINITY)
      .filter((issue) => issue !== CHANGED)
      .map(({ path }) => path);
  const coerced = findCoercion(jsonSchema, pathsOf);
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

function convert(schema: unknown, io: 'input' | 'output'): unknown {
  const convertible = schema as Convertible;
  const standard = convertible['~standard'].jsonSchema;
  return standard !== undefined
    ? standard[io]({ target: TARGET })
    : convertible.toJSONSchema?.({ target: TARGET, io });
}

function isExpressible(part: object, io: 'input' | 'output'): boolean {
  try {
    convert(part, io);
    return true;
  } catch {
    return false;
  }
}

/** The JSON Schema of what a Standard Schema takes or gives. @throws EVENTS_INVALID */
function jsonSchemaOf(where: string, schema: StandardSchema, io: 'input' | 'output'): JsonSchema {
  try {
    const found = convert(schema, io);
    if (typeof found === 'object' && found !== null) return withoutDialect(found);
  } catch (error) {
    const path = faultPath(schema, (part) => !isExpressible(part, io));
    const reason = reasonOf(error);
    throw invalid(where, `cannot be expressed as a JSON Schema: at ${path}: ${reason}`, error);
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
  // A schema with an id of its own is a reference to a definition.
  const { $ref, $defs } = rest as { $ref?: string; $defs?: Record<string, object> };
  const named = $ref?.startsWith('#/$defs/') ? $defs?.[$ref.slice('#/$defs/'.length)] : undefined;
  return named === undefined ? rest : { ...named, $defs };
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
