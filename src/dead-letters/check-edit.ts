/** Checks an edit of a dead letter without applying it. */
import { OrderonceError } from '../errors.ts';
import type { FieldError } from '../event/field-error.ts';
import { findDeadLetter, type StoredDeadLetter } from '../store/dead-letter-queue.ts';
import type { LogPlace } from '../store/log-place.ts';
import { editOf, type RedriveInput } from './dead-letter-event.ts';
import { type RedriveContext, type RedriveResult, tryRedrive } from './redrive-one.ts';

export type EditCheck = {
  readonly ok: boolean;
  /** What is wrong, as in a 422 answer; empty if the edit would be accepted. */
  readonly errors: readonly FieldError[];
  /** The fields that differ from the record; null stands for a value that it does not have. */
  readonly changes: readonly {
    readonly field: string;
    readonly before: unknown;
    readonly after: unknown;
  }[];
  /** How a redrive with the edit would end; null if it was not tried. */
  readonly tried: RedriveResult | null;
};

const CHARS_MAX = 200;

/**
 * @param payload the whole event, as for an edit.
 * @param isTried also processes the edit, with the handlers, and rolls it back.
 * @throws DEAD_LETTER_UNKNOWN
 */
export async function checkEdit(
  context: RedriveContext,
  place: LogPlace,
  payload: Buffer,
  isTried: boolean,
): Promise<EditCheck> {
  const letter = await findDeadLetter(context.pool, place);
  if (letter === null || letter.state === 'discarded') {
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
  }
  let input: RedriveInput;
  try {
    input = await editOf(context.pool, letter, payload, context.rules);
  } catch (error) {
    if (!(error instanceof OrderonceError) || error.code !== 'EDIT_REFUSED') throw error;
    return { ok: false, errors: errorsIn(error), changes: [], tried: null };
  }
  const changes = changesOf(letter, JSON.parse(input.edited?.json ?? '{}'));
  const tried = isTried ? await tryRedrive(context, place, input) : null;
  return { ok: true, errors: [], changes, tried };
}

function errorsIn(error: OrderonceError): FieldError[] {
  if (Array.isArray(error.cause)) return error.cause as FieldError[];
  return [{ type: 'value_error', loc: ['body'], msg: error.message, input: null }];
}

/** Compares with the payload of the record, as far as that is a JSON object. */
function changesOf({ value }: StoredDeadLetter, edited: Readonly<Record<string, unknown>>) {
  const before = fieldsIn(value);
  return [...new Set([...Object.keys(edited), ...Object.keys(before)])]
    .slice(0, 100)
    .map((field) => ({ field, before: shown(before[field]), after: shown(edited[field]) }))
    .filter((one) => JSON.stringify(one.before) !== JSON.stringify(one.after));
}

function fieldsIn(value: Buffer | null): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(value?.toString('utf8') ?? '');
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

function shown(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'string') return value.slice(0, CHARS_MAX);
  const text = JSON.stringify(value) ?? 'null';
  return text.length <= CHARS_MAX ? value : text.slice(0, CHARS_MAX);
}
