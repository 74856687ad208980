/**
 * Reads the data of a typed event into its canonical form: keys sorted by code unit, numbers in the
 * shortest form that gives the same double, no spaces. Two payloads that mean the same have the same
 * canonical data, and reading canonical data gives the same text again.
 *
 * What would not survive JavaScript, PostgreSQL's jsonb or another parser unchanged is refused:
 * numbers that a double changes, NUL, lone surrogates, duplicate keys, deep nesting.
 */

import { endOfNested } from './json-members.ts';

/** How deep objects and arrays may be nested; the data itself is the first level. */
export const DATA_DEPTH_MAX = 32;

/** Something that makes the data unusable. `source` is the text of the refused value. */
export type DataProblem = {
  readonly type: 'number_not_exact' | 'string_unicode' | 'duplicate_key' | 'nesting_too_deep';
  readonly path: readonly (string | number)[];
  readonly msg: string;
  readonly source: string;
};

export type DataReading =
  | { readonly text: string; readonly value: unknown }
  | {
      readonly problems: readonly DataProblem[];
      /** What JSON.parse makes of it. */
      readonly value: unknown;
      /** Whether a part of it is nested too deep, or was not looked at after so many problems. */
      readonly isTooDeep: boolean;
    };

/** The most problems that one reading reports. */
const PROBLEMS_MAX = 100;

/**
 * @param source JSON text that JSON.parse accepts.
 * @param depthMax how many levels it may have.
 * @throws SyntaxError if it is none.
 */
export function readData(source: string, depthMax = DATA_DEPTH_MAX): DataReading {
  const value: unknown = JSON.parse(source);
  if (isCanonical(source, value, depthMax)) return { text: source, value };
  const reader = new DataReader(source, depthMax);
  const text = reader.read();
  const { problems, isTooDeep } = reader;
  if (problems.length > 0) return { problems, value, isTooDeep };
  return { text, value: JSON.parse(text) };
}

/** Whether the text is canonical already, as records of our own API are. Fast, without a parser. */
function isCanonical(source: string, value: unknown, depthMax: number): boolean {
  // An escape that is neither needed nor canonical makes the text differ from that of
  // JSON.stringify. Those of NUL and of lone surrogates do not, so texts with \u are left to the
  // parser.
  if (source.includes('\\u') || !isSortedAndFlat(value, depthMax)) return false;
  return JSON.stringify(value) === source;
}

function isSortedAndFlat(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isSortedAndFlat(item, levels - 1)) return false;
    return true;
  }
  let before: string | null = null;
  for (const key of Object.keys(value)) {
    if (before !== null && before > key) return false;
    if (!isSortedAndFlat((value as Record<string, unknown>)[key], levels - 1)) return false;
    before = key;
  }
  return true;
}

/** A parser of text that is known to be valid JSON. It keeps what JSON.parse drops. */
class DataReader {
  readonly problems: DataProblem[] = [];
  isTooDeep = false;
  readonly #source: string;
  readonly #depthMax: number;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(source: string, depthMax: number) {
    this.#source = source;
    this.#depthMax = depthMax;
  }

  /** @returns the canonical text; meaningless if there are problems. */
  read(): string {
    this.#skipSpace();
    const char = this.#source[this.#at];
    if (char === '{' || char === '[') return this.#readNested(char);
    const start = this.#at;
    if (char === '"') return JSON.stringify(this.#readString());
    while (this.#at < this.#source.length && !/[\s,\]}]/.test(this.#source[this.#at] as string)) {
      this.#at++;
    }
    const token = this.#source.slice(start, this.#at);
    return /^[-\d]/.test(token) ? this.#canonicalNumber(token) : token;
  }

  #readNested(open: '{' | '['): string {
    const start = this.#at;
    if (this.#path.length >= this.#depthMax || this.problems.length >= PROBLEMS_MAX) {
      this.isTooDeep = true;
      this.#at = endOfNested(this.#source, start);
      const msg = `Data may be nested at most ${this.#depthMax} levels deep`;
      if (this.#path.length >= this.#depthMax) {
        this.#refuse('nesting_too_deep', msg, this.#source.slice(start, this.#at));
      }
      return 'null';
    }
    this.#at++;
    return open === '{' ? this.#readObject() : this.#readArray();
  }

  #readArray(): string {
    const items: string[] = [];
    for (this.#skipSpace(); this.#source[this.#at] !== ']'; this.#skipSeparator()) {
      this.#path.push(items.length);
      items.push(this.read());
      this.#path.pop();
    }
    this.#at++;
    return `[${items.join(',')}]`;
  }

  #readObject(): string {
    const members = new Map<string, string>();
    for (this.#skipSpace(); this.#source[this.#at] !== '}'; this.#skipSeparator()) {
      const key = this.#readString();
      this.#skipSpace();
      this.#at++;
      this.#path.push(key);
      this.#skipSpace();
      const start = this.#at;
      const text = this.read();
      if (members.has(key)) {
        const source = this.#source.slice(start, this.#at);
        this.#refuse('duplicate_key', 'Key given more than once', source);
      }
      members.set(key, text);
      this.#path.pop();
    }
    this.#at++;
    // Compared by code unit, as the default order of sort() has it.
    const keys = [...members.keys()].sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${members.get(key)}`).join(',')}}`;
  }

  #readString(): string {
    const start = this.#at++;
    while (this.#source[this.#at] !== '"') this.#at += this.#source[this.#at] === '\\' ? 2 : 1;
    this.#at++;
    const source = this.#source.slice(start, this.#at);
    const text = JSON.parse(source) as string;
    if (text.includes('\0') || !text.isWellFormed()) {
      const msg = 'Input should be a valid string without NUL characters and lone surrogates';
      this.#refuse('string_unicode', msg, source);
    }
    return text;
  }

  #canonicalNumber(token: string): string {
    const number = Number(token);
    if (!Number.isFinite(number) || !isSameNumber(token, String(number))) {
      const msg = 'Input should be a number that a double holds exactly; send it as a string';
      this.#refuse('number_not_exact', msg, token);
    }
    // JSON.stringify writes -0 as 0, too.
    return String(number === 0 ? 0 : number);
  }

  #refuse(type: DataProblem['type'], msg: string, source: string): void {
    if (this.problems.length < PROBLEMS_MAX) {
      this.problems.push({ type, path: [...this.#path], msg, source });
    }
  }

  #skipSeparator(): void {
    this.#skipSpace();
    if (this.#source[this.#at] !== ',') return;
    this.#at++;
    this.#skipSpace();
  }

  #skipSpace(): void {
    while (/\s/.test(this.#source[this.#at] ?? '')) this.#at++;
  }
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Whether two JSON numbers are equal as decimals. */
function isSameNumber(a: string, b: string): boolean {
  return decimalOf(a) === decimalOf(b);
}

/** A decimal in one form: its digits without zeros at either end, and the exponent of the last one. */
function decimalOf(token: string): string {
  const [, minus, integer = '', fraction = '', exponent = '0'] = NUMBER.exec(
    token,
  ) as unknown as string[];
  const digits = (integer + fraction).replace(/^0+/, '');
  const significant = trimZeros(digits);
  if (significant === '') return '0';
  const last = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${minus}${significant}e${last}`;
}

/** Without trailing zeros. A regular expression for it would backtrack in quadratic time. */
function trimZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}
