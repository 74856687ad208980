/** Strict reading of query strings: a misspelled filter must not silently mean "no filter". */
import type { FieldError } from '../event/field-error.ts';
import { checkUuid } from '../event/fields.ts';
import type { ApiParameter, Schema } from '../runtime/operation.ts';
import { type LogPlace, parsePlace } from '../store/log-place.ts';

/** One parameter that a route knows. */
export type Parameter<T> = {
  /** @returns null if the text is not valid. */
  readonly parse: (text: string) => T | null;
  /** The `type` of the error, as in Pydantic's errors. */
  readonly type: string;
  /** What a valid text is; it completes "Input should be". */
  readonly shape: string;
  /** For the description of the API. */
  readonly schema: Schema;
  readonly example: unknown;
};

type Parameters = Readonly<Record<string, Parameter<unknown>>>;
/** The values of the parameters that were given. */
export type ValuesOf<P extends Parameters> = {
  readonly [K in keyof P]?: NonNullable<ReturnType<P[K]['parse']>>;
};

/** The values of a query string, or what is wrong with it. */
export type QueryVerdict<P extends Parameters> =
  | { readonly ok: true; readonly values: ValuesOf<P> }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

const ECHO_CHARS_MAX = 200;

/** The parameters of a route, for the description of the API. @param texts what each one means. */
export function describeQuery<P extends Parameters>(
  parameters: P,
  texts: Readonly<Record<keyof P, string>>,
): ApiParameter[] {
  return Object.entries(parameters).map(([name, { schema, example }]) => {
    const description = texts[name] as string;
    return { name, in: 'query', description, schema, example };
  });
}

/** @returns the values; or all errors together, in the form of every 422 answer. */
export function readQuery<P extends Parameters>(url: string, parameters: P): QueryVerdict<P> {
  const values: Record<string, unknown> = {};
  const errors: FieldError[] = [];
  for (const [name, text] of new URL(url, 'http://localhost').searchParams) {
    const wrong = (type: string, msg: string) =>
      errors.push({ type, loc: ['query', name], msg, input: text.slice(0, ECHO_CHARS_MAX) });
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const known = Object.keys(parameters).join(', ');
    if (parameter === undefined) wrong('extra_forbidden', `Unknown parameter. Known: ${known}`);
    else if (name in values) wrong('duplicate', 'This parameter is given twice');
    else {
      const value = parameter.parse(text);
      if (value === null) wrong(parameter.type, `Input should be ${parameter.shape}`);
      values[name] = value;
    }
  }
  if (errors.length > 0) return { ok: false, errors };
  return { ok: true, values: values as ValuesOf<P> };
}

/** A UUID; the value is in canonical form. */
export const UUID: Parameter<string> = {
  parse: (text) => {
    const verdict = checkUuid(JSON.stringify(text));
    return verdict.ok ? verdict.value : null;
  },
  type: 'uuid_parsing',
  shape: 'a valid UUID',
  schema: { type: 'string', format: 'uuid' },
  example: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
};

/** A place in the log, such as the `next` of the previous page. */
export const PLACE: Parameter<LogPlace> = {
  parse: parsePlace,
  type: 'place_parsing',
  shape: 'a place: log/partition/offset',
  schema: { type: 'string', pattern: '^[0-9]{1,9}/[0-9]{1,9}/[0-9]{1,15}$' },
  example: '1/3/41',
};

/** Where a page of a sorted list ends: a place, and the time of its row if the list is by time. */
export type Cursor = { readonly at: string | null; readonly place: LogPlace };

const AT = /^([12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\/(.*)$/;

/** The `next` of the previous page of a sorted list. */
export const CURSOR: Parameter<Cursor> = {
  parse: (text) => {
    const [, at = null, rest = text] = AT.exec(text) ?? [];
    const place = parsePlace(rest);
    return place === null || !isTime(at) ? null : { at, place };
  },
  type: 'cursor_parsing',
  shape: 'the "next" of the previous page',
  schema: {
    type: 'string',
    pattern:
      '^([12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}Z/)?' +
      '[0-9]{1,9}/[0-9]{1,9}/[0-9]{1,15}$',
  },
  example: '2026-01-02T03:04:06.789012Z/1/3/41',
};

/** Whether there is such a time. JavaScript takes February 30 for March 2; PostgreSQL refuses it. */
function isTime(at: string | null): boolean {
  if (at === null) return true;
  const ms = Date.parse(at);
  return !Number.isNaN(ms) && new Date(ms).toISOString().slice(0, 19) === at.slice(0, 19);
}

/** A text of 1 to `max` characters, without control characters, which PostgreSQL may refuse. */
export function text(max: number): Parameter<string> {
  const fits = (given: string) => given.length >= 1 && given.length <= max;
  return {
    parse: (given) => (fits(given) && !/\p{Cc}/u.test(given) ? given : null),
    type: 'string_type',
    shape: `a text of 1 to ${max} characters`,
    schema: {
      type: 'string',
      minLength: 1,
      maxLength: max,
      pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
    },
    example: 'user-42',
  };
}

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(min: number, max: number): Parameter<number> {
  const parse = (text: string) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    return number >= min && number <= max ? number : null;
  };
  const schema = { type: 'integer', minimum: min, maximum: max };
  const shape = `a whole number from ${min} to ${max}`;
  return { parse, type: 'int_parsing', shape, schema, example: Math.min(max, 5) };
}

/** One of these words. */
export function oneOf<const T extends string>(options: readonly T[]): Parameter<T> {
  const parse = (text: string) => options.find((option) => option === text) ?? null;
  const schema = { type: 'string', enum: options };
  return { parse, type: 'enum', shape: options.join(' or '), schema, example: options[0] };
}

/** Up to 100 letters, digits, dots, hyphens and underscores. */
export const WORD: Parameter<string> = {
  parse: (text) => (/^[\w.-]{1,100}$/.test(text) ? text : null),
  type: 'string_pattern_mismatch',
  shape: 'a word of letters, digits, dots, hyphens and underscores, up to 100 characters',
  schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,100}$' },
  example: 'refused_by_handler',
};
