/**
 * The trace context of the request that brought a record, in two headers of the record: W3C Trace
 * Context, Level 2 (https://www.w3.org/TR/trace-context-2/). It goes from the request into the
 * record and on to the messages of the outbox, whether this process records traces or not. The
 * digest of an event covers only its values, so the headers change no verdict.
 */
import type { Header, TraceContext } from './event-log.ts';

export const TRACEPARENT = 'traceparent';
export const TRACESTATE = 'tracestate';

/** The headers of a request that may hold a context, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

const PARENT_NAME = Buffer.from(TRACEPARENT);
const STATE_NAME = Buffer.from(TRACESTATE);
/** The length of the form of version 00. */
export const TRACEPARENT_CHARS = 55;
/** Later versions may append fields behind a dash (section 3.2.4). */
const FORM = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const NO_TRACE_ID = '0'.repeat(32);
const NO_SPAN_ID = '0'.repeat(16);
/** The flags that are defined: sampled, and that the trace id is random. Others must be set to 0. */
const KNOWN_FLAGS = 0b11;
const SAMPLED = 0b1;

/** A tracestate of this many bytes must be passed on (section 3.3.1.5); a longer one is dropped. */
const STATE_BYTES_MAX = 512;
const STATE_MEMBERS_MAX = 32;
/** Section 3.3.1.3: a key, perhaps with a tenant before an `@`, and a value of printable ASCII. */
const MEMBER =
  /^([a-z\d][a-z\d_*/-]{0,255}(?:@[a-z\d][a-z\d_*/-]{0,255})?)=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * The context that a request carries.
 * @returns null if it has none, or one that is not valid: the specification lets the receiver then
 * continue as if there were none. A tracestate that is not valid is left out alone.
 */
export function contextOfRequest(headers: RequestHeaders): TraceContext | null {
  const given = headers[TRACEPARENT];
  if (given === undefined) return null;
  // Node joins several headers of one name with a comma, which no valid traceparent has.
  const traceparent = parseTraceparent(String(given));
  if (traceparent === null) return null;
  const state = headers[TRACESTATE];
  return { traceparent, tracestate: state === undefined ? null : parseTracestate(String(state)) };
}

/** @returns the context in the form of version 00; null if the text is not valid. */
export function parseTraceparent(text: string): string | null {
  const [, version, traceId, spanId, flags, more] = FORM.exec(text.trim()) ?? [];
  if (version === undefined || flags === undefined) return null;
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (traceId === NO_TRACE_ID || spanId === NO_SPAN_ID) return null;
  const known = Number.parseInt(flags, 16) & KNOWN_FLAGS;
  return `00-${traceId}-${spanId}-0${known}`;
}

/** @returns the members without the spaces around them; null if there are none or one is not valid. */
export function parseTracestate(text: string): string | null {
  // Spaces around members do not count, but nobody needs kilobytes of them.
  if (text.length > 2 * STATE_BYTES_MAX) return null;
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  if (members.length === 0 || members.length > STATE_MEMBERS_MAX) return null;
  const keys = members.map((member) => MEMBER.exec(member)?.[1]);
  if (keys.includes(undefined) || new Set(keys).size < keys.length) return null;
  const state = members.join(',');
  return state.length <= STATE_BYTES_MAX ? state : null;
}

/** The headers of a record that carry the context; none for null. */
export function traceHeaders(context: TraceContext | null): readonly Header[] {
  if (context === null) return NO_HEADERS;
  const { traceparent, tracestate } = context;
  const parent: Header = [PARENT_NAME, Buffer.from(traceparent, 'latin1')];
  return tracestate === null ? [parent] : [parent, [STATE_NAME, Buffer.from(tracestate, 'latin1')]];
}

const NO_HEADERS: readonly Header[] = [];

/** @returns null if there is no valid context. Any client may write any header, so it is checked. */
export function contextIn(headers: readonly Header[]): TraceContext | null {
  const parent = headerIn(headers, PARENT_NAME);
  const traceparent = parent === null ? null : parseTraceparent(parent);
  if (traceparent === null) return null;
  const state = headerIn(headers, STATE_NAME);
  return { traceparent, tracestate: state === null ? null : parseTracestate(state) };
}

function headerIn(headers: readonly Header[], wanted: Buffer): string | null {
  for (const [name, value] of headers) {
    if (name !== null && value !== null && name.equals(wanted)) return value.toString('latin1');
  }
  return null;
}

/** Whether the sender records this trace, so that spans of it are of use. */
export function isSampled({ traceparent }: TraceContext): boolean {
  return (traceparent.charCodeAt(TRACEPARENT_CHARS - 1) & SAMPLED) !== 0;
}

/** 32 hex digits, by which a trace is found. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

/** The trace id in the headers of a record; undefined if they have no context. */
export function traceIdIn(headers: readonly Header[]): string | undefined {
  const context = contextIn(headers);
  return context === null ? undefined : traceIdOf(context);
}

/** 16 hex digits. */
export function spanIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(36, 52);
}
