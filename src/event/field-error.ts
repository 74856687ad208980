declare global {
  interface JSON {
    /**
     * A value that JSON.stringify writes as exactly this text. In Node since version 22, but not
     * yet in TypeScript's library.
     */
    rawJSON(text: string): unknown;
    isRawJSON(value: unknown): value is { readonly rawJSON: string };
  }
}

/** One validation error, with the shape and the type names of FastAPI and Pydantic 2. */
export type FieldError = {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  /** The refused value, cut to INPUT_ECHO_CHARS_MAX characters. */
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
};

/**
 * The most errors that one answer lists, so that a body with thousands of unknown keys stays cheap.
 */
export const FIELD_ERRORS_MAX = 100;

/** The most characters of a refused value that the answer repeats. */
export const INPUT_ECHO_CHARS_MAX = 200;

/** The result of checking one field: the value in its canonical form, or what is wrong with it. */
export type FieldVerdict =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly type: string; readonly msg: string; readonly ctx?: Ctx };

type Ctx = Readonly<Record<string, unknown>>;

/** @param value in its canonical form. */
export function accept(value: string): FieldVerdict {
  return { ok: true, value };
}

/** @param type and msg as in Pydantic 2, so that clients of FastAPI services recognise them. */
export function refuse(type: string, msg: string, ctx?: Ctx): FieldVerdict {
  return ctx === undefined ? { ok: false, type, msg } : { ok: false, type, msg, ctx };
}

/**
 * The refused value as the answer repeats it. Numbers stay exactly as they were written: parsing
 * `1e400` and writing it again would give null. A value that is too long becomes a string with the
 * first characters of its source text.
 */
export function echoOf(source: string): unknown {
  if (source.length > INPUT_ECHO_CHARS_MAX) {
    // toWellFormed(), because the cut may leave half of a surrogate pair.
    return `${source.slice(0, INPUT_ECHO_CHARS_MAX - 1).toWellFormed()}…`;
  }
  return /^-?\d/.test(source) ? JSON.rawJSON(source) : JSON.parse(source);
}
