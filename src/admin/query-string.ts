/** Query strings, read strictly: a misspelled filter must not silently mean "no filter". */
import type { FieldError } from '../event/field-error.ts';
import { checkUuid } from '../event/fields.ts';
import { type LogPlace, parsePlace } from '../store/log-place.ts';

/** Reads one parameter; null where the text is not `shape`. */
export type Parameter<T> = {
  readonly parse: (text: string) => T | null;
  readonly type: string;
  readonly shape: string;
};

type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type ValuesOf<P extends Parameters> = {
  readonly [K in keyof P]?: NonNullable<ReturnType<P[K]['parse']>>;
};

export type QueryVerdict<P extends Parameters> =
  | { readonly ok: true; readonly values: ValuesOf<P> }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

const ECHO_CHARS_MAX = 200;

/** All that is wrong at once, in the shape of every 422. */
export function readQuery<P extends Parameters>(url: string, parameters: P): QueryVerdict<P> {
  const values: Record<string, unknown> = {};
  const errors: FieldError[] = [];
  for (const [name, text] of new URL(url, 'http://localhost').searchParams) {
    const wrong = (type: string, msg: string) =>
      errors.push({ type, loc: ['query', name], msg, input: text.slice(0, ECHO_CHARS_MAX) });
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const known = Object.keys(parameters).join(', ');
    if (parameter === undefined) wrong('extra_forbidden', `No such parameter. There are: ${known}`);
    else if (name in values) wrong('duplicate', 'Given twice');
    else {
      const value = parameter.parse(text);
      if (value === null) wrong(parameter.type, `Input should be ${parameter.shape}`);
      values[name] = value;
    }
  }
  if (errors.length > 0) return { ok: false, errors };
  return { ok: true, values: values as ValuesOf<P> };
}

export const UUID: Parameter<string> = {
  parse: (text) => {
    const verdict = checkUuid(JSON.stringify(text));
    return verdict.ok ? verdict.value : null;
  },
  type: 'uuid_parsing',
  shape: 'a valid UUID',
};

/** The `next` of the page before. */
export const PLACE: Parameter<LogPlace> = {
  parse: parsePlace,
  type: 'place_parsing',
  shape: 'a place: log/partition/offset',
};

export function wholeNumber(min: number, max: number): Parameter<number> {
  const parse = (text: string) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    return number >= min && number <= max ? number : null;
  };
  return { parse, type: 'int_parsing', shape: `a whole number from ${min} to ${max}` };
}

export function oneOf<const T extends string>(options: readonly T[]): Parameter<T> {
  const parse = (text: string) => options.find((option) => option === text) ?? null;
  return { parse, type: 'enum', shape: options.join(' or ') };
}

export const WORD: Parameter<string> = {
  parse: (text) => (/^[\w.-]{1,100}$/.test(text) ? text : null),
  type: 'string_pattern_mismatch',
  shape: 'a word',
};
