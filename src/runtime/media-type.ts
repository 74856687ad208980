/** The names of JSON and NDJSON in Content-Type (RFC 9110, section 8.3). */

/**
 * JSON MIME types as defined for browsers (WHATWG MIME Sniffing, section 4.6). A page of another
 * origin cannot send any of them without a CORS preflight request, which this service never grants.
 */
export const JSON_TYPES = /^(application\/json|text\/json|[^/]+\/[^/]+\+json)$/;
/** NDJSON has no registered media type, so the names in common use are accepted. */
export const NDJSON_TYPES = /^(application|text)\/(x-)?(ndjson|jsonl|jsonlines)$/;

/** ASCII is a subset of UTF-8. JSON has no parameters, so others than charset are ignored. */
const UTF8 = /^(utf[-_]?8|(us-)?ascii)$/i;
const NAME = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;
/** One parameter with the semicolon before it. A quoted value may contain semicolons. */
const PARAMETER = /;((?:"(?:[^"\\]|\\.)*"|[^;"])*)/g;

export type MediaType =
  /** @property name type and subtype, in lower case. */
  { readonly ok: true; readonly name: string } | { readonly ok: false; readonly reason: string };

/** Parses a Content-Type. A charset other than UTF-8 is refused. */
export function readMediaType(header: string | undefined): MediaType {
  if (header === undefined) return { ok: false, reason: 'There is no Content-Type' };
  const end = header.indexOf(';');
  const name = (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
  if (!NAME.test(name)) return { ok: false, reason: 'This Content-Type is not a media type' };
  if (end === -1) return { ok: true, name };
  for (const [, parameter = ''] of header.slice(end).matchAll(PARAMETER)) {
    const charset = charsetIn(parameter);
    if (charset === null || UTF8.test(charset)) continue;
    return {
      ok: false,
      reason: `The charset "${charset.slice(0, 50)}" is not supported, only UTF-8 is`,
    };
  }
  return { ok: true, name };
}

/**
 * The charset without quotes, or null for another parameter. One regular expression for all of this
 * would take quadratic time on a header full of spaces.
 */
function charsetIn(parameter: string): string | null {
  const at = parameter.indexOf('=');
  if (at === -1 || parameter.slice(0, at).trim().toLowerCase() !== 'charset') return null;
  const value = parameter.slice(at + 1).trim();
  return value.replace(/^["']/, '').replace(/["']$/, '');
}
