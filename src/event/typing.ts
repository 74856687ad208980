/** The members of the envelope that only typed events have: `type`, `version` and `data`. */
import { type DataProblem, readData } from './canonical-data.ts';
import { TYPE_NAME, VERSION_MAX } from './declaration.ts';
import type { DeclaredEvents } from './declared-events.ts';
import { echoOf, type FieldError } from './field-error.ts';

/** The keys of these members, in the order of the canonical form. */
export const TYPING_KEYS: readonly string[] = ['type', 'version', 'data'];

/** What an event says about its type. */
export type Typing = {
  readonly type: string;
  /** null if the event does not say it. */
  readonly version: number | null;
  /**
   * Its canonical JSON and its value; absent if the event has no data. Data that no deployment takes
   * has no canonical form; a JSON string with its text stands for it.
   */
  readonly data?: { readonly text: string; readonly value: unknown };
};

/** Why a deployment cannot take an event whose envelope is valid. */
export type UnfitReason = 'unknown_type' | 'unknown_version' | 'invalid_data';

/** What does not fit. At least one error. */
export type Misfit = { readonly reason: UnfitReason; readonly errors: readonly FieldError[] };

/** The typing of an event, and what is wrong with it in any deployment. */
export type TypingReading = {
  readonly typing: Typing;
  readonly errors: readonly FieldError[];
  /** Whether some deployment can declare the type and version. */
  readonly isNamed: boolean;
  /** Whether a schema can judge the data beside the errors that it has already. */
  readonly isJudgeable: boolean;
};

/**
 * Reads the typing of an event.
 * @param sources the JSON source texts of the event's members.
 * @returns null if it has none.
 */
export function readTyping(sources: ReadonlyMap<string, string>): TypingReading | null {
  const [type, version, data] = TYPING_KEYS.map((key) => sources.get(key));
  if (type === undefined && version === undefined && data === undefined) return null;
  const errors: FieldError[] = [];
  const name = type?.startsWith('"') ? (JSON.parse(type) as string) : (type ?? '');
  if (type === undefined) errors.push(error('missing', ['type'], 'Field required', 'null'));
  else if (!type.startsWith('"') || !TYPE_NAME.test(name)) {
    const msg =
      'Input should be the name of a type: a letter, then letters, digits, ".", "-" and "_"';
    errors.push(error('string_pattern_mismatch', ['type'], msg, type));
  }
  const number = version === undefined ? null : Number(version);
  if (number !== null && !(INTEGER.test(version as string) && number <= VERSION_MAX)) {
    const msg = `Input should be an integer from 1 to ${VERSION_MAX}`;
    errors.push(error('int_parsing', ['version'], msg, version as string));
  }
  const isNamed = errors.length === 0;
  const typing = { type: name, version: number };
  if (data === undefined) return { typing, errors, isNamed, isJudgeable: true };
  const reading = readData(data);
  if ('text' in reading) {
    return { typing: { ...typing, data: reading }, errors, isNamed, isJudgeable: true };
  }
  const { problems } = reading;
  errors.push(...problems.map(errorOfProblem));
  return {
    typing: { ...typing, data: { text: JSON.stringify(data), value: reading.value } },
    errors,
    isNamed,
    isJudgeable: !reading.isTooDeep,
  };
}

/** Also as a client writes it that has no integers, such as 2.0. */
const INTEGER = /^[1-9]\d*(\.0+)?$/;

function error(type: string, path: FieldError['loc'], msg: string, source: string): FieldError {
  return { type, loc: ['body', ...path.map(shown)], msg, input: echoOf(source) };
}

/** The client chose the keys too: they may be too long for an answer, or not valid Unicode. */
function shown(key: string | number): string | number {
  return typeof key === 'string' ? key.slice(0, 200).toWellFormed() : key;
}

function errorOfProblem({ type, path, msg, source }: DataProblem): FieldError {
  return error(type, ['data', ...path], msg, source);
}

/** What does not fit this deployment; null if all of it fits. */
export function misfitOf(typing: Typing, declared: DeclaredEvents | null): Misfit | null {
  const { type, version, data } = typing;
  const known = declared?.types.get(type);
  if (known === undefined) {
    const names = [...(declared?.types.keys() ?? [])].slice(0, 20).join(', ');
    const msg = `Input should be a declared type: ${names === '' ? 'none is declared' : names}`;
    return {
      reason: 'unknown_type',
      errors: [error('unknown_type', ['type'], msg, JSON.stringify(type))],
    };
  }
  if (version !== null && !known.knows(version)) {
    const msg = `Input should be a known version of "${type}". The newest is ${known.version}`;
    const errors = [error('unknown_version', ['version'], msg, String(version))];
    return { reason: 'unknown_version', errors };
  }
  const issues = known.check(version ?? known.version, data?.value);
  const errors = issues.map(({ type: issue, path, msg }) =>
    error(issue, ['data', ...path], msg, sourceAt(data?.value, path)),
  );
  return errors.length === 0 ? null : { reason: 'invalid_data', errors };
}

/** The text of the value at the path, or of the nearest value around it. */
function sourceAt(data: unknown, path: readonly (string | number)[]): string {
  let value = data;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) break;
    value = (value as Record<string | number, unknown>)[key];
  }
  return JSON.stringify(value) ?? 'null';
}
