/** Reads the body of POST /redrives strictly: a misspelt filter must not mean "all". Pure. */
import type { EventRules } from '../event/event-rules.ts';
import type { FieldError } from '../event/field-error.ts';
import { storedIdOf } from '../event/text-ids.ts';
import { type LogPlace, parsePlace } from '../store/log-place.ts';
import type { JobAction, JobFilter } from '../store/redrive-jobs.ts';
import { CHARS_MAX, PER_SECOND_MAX, PLACES_MAX } from './redrive-operations.ts';

/** A valid request; fields that were not given are null. */
export type RedriveRequest = {
  readonly action: JobAction;
  /** One of these two is null. */
  readonly filter: JobFilter | null;
  readonly places: readonly LogPlace[] | null;
  readonly isDryRun: boolean;
  readonly count: number | null;
  readonly reason: string | null;
  readonly perSecond: number | null;
  readonly first: number | null;
};

export type RequestVerdict =
  | { readonly ok: true; readonly request: RedriveRequest }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** Reads one value. @returns null if it is not valid. */
type Read<T> = (value: unknown) => T | null;
type Field<T> = { readonly read: Read<T>; readonly shape: string };

const INTEGER_MAX = 999_999_999;
const whole = (min: number, max: number): Field<number> => ({
  read: (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : null,
  shape: `a whole number from ${min} to ${max}`,
});
/** @param pattern what the text must match; texts with NUL or half a surrogate pair never do. */
const textOf = (max: number, pattern: RegExp, shape: string): Field<string> => ({
  read: (value) => {
    const isText = typeof value === 'string' && value.length <= max && value.isWellFormed();
    return isText && pattern.test(value) ? value : null;
  },
  shape,
});
const NO_CONTROLS = /^\P{Cc}*$/u;
const WORD = textOf(100, /^[\w.-]+$/, 'a word of letters, digits, dots, hyphens and underscores');

const filterOf = ({
  declared,
}: Pick<EventRules, 'declared'>): Readonly<Record<keyof JobFilter, Field<string>>> => ({
  reason: WORD,
  sqlstate: WORD,
  shape: textOf(CHARS_MAX, NO_CONTROLS, `a text of up to ${CHARS_MAX} characters`),
  order_id: {
    read: (value) => (typeof value === 'string' ? storedIdOf(value, 'orderId', declared) : null),
    shape: 'the id of an order',
  },
  q: textOf(200, /^\P{Cc}+$/u, 'a text of 1 to 200 characters'),
});

const FIELDS = {
  action: {
    read: (value: unknown) => (value === 'redrive' || value === 'discard' ? value : null),
    shape: 'redrive or discard',
  } satisfies Field<JobAction>,
  dry_run: {
    read: (value: unknown) => (typeof value === 'boolean' ? value : null),
    shape: 'true or false',
  } satisfies Field<boolean>,
  count: whole(0, INTEGER_MAX),
  reason: textOf(
    CHARS_MAX,
    /^(?=[\s\S]*\S)(\P{Cc}|[\t\n\r])*$/u,
    `a text of up to ${CHARS_MAX} characters that says why`,
  ),
  per_second: whole(1, PER_SECOND_MAX),
  first: whole(1, INTEGER_MAX),
  places: {
    read: (value: unknown) => {
      if (!Array.isArray(value) || value.length === 0 || value.length > PLACES_MAX) return null;
      const places = value.map((one) => (typeof one === 'string' ? parsePlace(one) : null));
      return places.some((place) => place === null) ? null : (places as LogPlace[]);
    },
    shape: `1 to ${PLACES_MAX} places: log/partition/offset`,
  } satisfies Field<LogPlace[]>,
};

/** @returns the request; or all errors together, in the form of every 422 answer. */
export function readRedriveRequest(
  body: Buffer,
  rules: Pick<EventRules, 'declared'>,
): RequestVerdict {
  const errors: FieldError[] = [];
  const wrong = (loc: readonly string[], type: string, msg: string, input: unknown) => {
    errors.push({ type, loc: ['body', ...loc], msg, input: echo(input) });
  };
  const given = jsonIn(body);
  if (given === undefined) {
    wrong([], 'json_invalid', 'The body should be a JSON object', body.toString('utf8', 0, 200));
    return { ok: false, errors };
  }
  /** Reads the fields of an object that are known, and reports all others. */
  const fieldsOf = (
    value: object,
    known: Readonly<Record<string, Field<unknown>>>,
    loc: readonly string[],
  ): Record<string, unknown> => {
    const found: Record<string, unknown> = {};
    for (const [name, input] of Object.entries(value).slice(0, 100)) {
      const field = Object.hasOwn(known, name) ? known[name] : undefined;
      const read = field?.read(input) ?? null;
      if (field === undefined) {
        const names = Object.keys(known).join(', ');
        wrong(
          [...loc, name.slice(0, 100)],
          'extra_forbidden',
          `Unknown field. Known: ${names}`,
          input,
        );
      } else if (read === null) {
        wrong([...loc, name], 'value_error', `Input should be ${field.shape}`, input);
      } else found[name] = read;
    }
    return found;
  };
  const { filter: filterGiven, ...others } = given as Record<string, unknown>;
  const fields = fieldsOf(others, FIELDS, []);
  let filter: JobFilter | null = null;
  if (Object.hasOwn(given, 'filter')) {
    if (isObject(filterGiven)) filter = fieldsOf(filterGiven, filterOf(rules), ['filter']);
    else wrong(['filter'], 'value_error', 'Input should be an object', filterGiven);
  }
  if (Object.hasOwn(given, 'filter') === Object.hasOwn(given, 'places')) {
    wrong([], 'value_error', 'Give one of "filter" and "places". {"filter": {}} means all', null);
  }
  if (errors.length > 0) return { ok: false, errors };
  const { action = 'redrive', dry_run = false, ...rest } = fields;
  const { count = null, reason = null, per_second = null, first = null, places = null } = rest;
  const request = { action, filter, places, isDryRun: dry_run, count, reason } as RedriveRequest;
  return { ok: true, request: { ...request, perSecond: per_second, first } as RedriveRequest };
}

function jsonIn(body: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function echo(input: unknown): unknown {
  const text = JSON.stringify(input) ?? 'null';
  return text.length <= 200 ? input : text.slice(0, 200);
}
