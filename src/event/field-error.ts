declare global {
  interface JSON {
    /** Node 22: a value that is written as this very text. Not yet in TypeScript's library. */
    rawJSON(text: string): unknown;
    isRawJSON(value: unknown): value is { readonly rawJSON: string };
  }
}

/** What is wrong with one field, in the shape and with the type names of FastAPI/Pydantic 2. */
export type FieldError = {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  /** The offending value, or its first characters: see INPUT_ECHO_CHARS_MAX. */
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
};

/** How many errors one answer lists. An attacker's thousand unknown keys cost no more than this. */
export const FIELD_ERRORS_MAX = 100;

/** How much of a refused value is sent back. */
export const INPUT_ECHO_CHARS_MAX = 200;

/** A check of one field: the value in its one spelling, or what is wrong with it. */
export type FieldVerdict =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly type: string; readonly msg: string; readonly ctx?: Ctx };

type Ctx = Readonly<Record<string, unknown>>;

export function accept(value: string): FieldVerdict {
  return { ok: true, value };
}

export function refuse(type: string, msg: string, ctx?: Ctx): FieldVerdict {
  return ctx === undefined ? { ok: false, type, msg } : { ok: false, type, msg, ctx };
}

/**
 * The refused value as it is echoed: scalars exactly as written (`1e400` stays `1e400`, which a
 * parse would turn into null), anything long as the first characters of its source text.
 */
export function echoOf(source: string): unknown {
  if (source.length > INPUT_ECHO_CHARS_MAX) {
    // Well-formed: the cut must not leave half a surrogate pair in the answer.
    return `${source.slice(0, INPUT_ECHO_CHARS_MAX - 1).toWellFormed()}…`;
  }
  return /^-?\d/.test(source) ? JSON.rawJSON(source) : JSON.parse(source);
}
