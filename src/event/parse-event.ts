/**
 * The one validator of order events. The API runs it before it accepts an event; the consumer runs
 * it on every record, because any Kafka client may write to the topic.
 */
import { isUtf8 } from 'node:buffer';
import { echoOf, FIELD_ERRORS_MAX, type FieldError, type FieldVerdict } from './field-error.ts';
import { checkAmount, checkUserId, checkUuid } from './fields.ts';
import { type JsonMember, membersOf } from './json-members.ts';
import type { OrderEvent } from './order-event.ts';
import { checkTimestamp } from './timestamp.ts';
import { parseUsualForm } from './usual-form.ts';

/** The largest event in bytes, spaces included. The limit of an HTTP body is the same. */
export const EVENT_BYTES_MAX = 64 * 1024;

export type ParsedEvent =
  | { readonly ok: true; readonly event: OrderEvent }
  | {
      readonly ok: false;
      /** Every error found, at most FIELD_ERRORS_MAX. */
      readonly errors: readonly FieldError[];
      /** The event_id, if it is valid. It serves searches only; a failed event claims no id. */
      readonly eventIdHint?: string;
    };

const CHECKS = {
  event_id: checkUuid,
  order_id: checkUuid,
  user_id: checkUserId,
  total_amount: checkAmount,
  timestamp: checkTimestamp,
} as const satisfies Record<string, (source: string) => FieldVerdict>;

type FieldName = keyof typeof CHECKS;
const FIELD_NAMES = Object.keys(CHECKS) as FieldName[];

/** Never throws on any input. */
export function parseEvent(bytes: Buffer): ParsedEvent {
  if (bytes.length > EVENT_BYTES_MAX) return notJson(0, `Longer than ${EVENT_BYTES_MAX} bytes`);
  if (!isUtf8(bytes)) return notJson(0, 'Not valid UTF-8');
  const text = bytes.toString('utf8');
  const event = parseUsualForm(text);
  return event === null ? parseAnyForm(text) : { ok: true, event };
}

/** Parses an event in any valid form, without the shortcut of usual-form.ts. Never throws. */
export function parseAnyForm(text: string): ParsedEvent {
  if (text.charCodeAt(0) === 0xfeff) return notJson(0, 'Starts with a byte order mark');
  if (text.length === 0) {
    return failed([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return notJson(Number(/position (\d+)/.exec(reason)?.[1] ?? 0), reason.slice(0, 200));
  }
  const source = text.trim();
  if (!source.startsWith('{')) {
    const msg = 'Input should be a valid dictionary or object';
    return failed([{ type: 'model_attributes_type', loc: ['body'], msg, input: echoOf(source) }]);
  }
  return checkMembers(membersOf(source), source);
}

function checkMembers(members: readonly JsonMember[], body: string): ParsedEvent {
  const values: Partial<Record<FieldName, string>> = {};
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const { key, source } of members) {
    if (seen.has(key)) {
      errors.push(fieldError('duplicate_key', key, 'Key given more than once', source));
    } else if (!Object.hasOwn(CHECKS, key)) {
      errors.push(fieldError('extra_forbidden', key, 'Extra inputs are not permitted', source));
    } else {
      const verdict: FieldVerdict = CHECKS[key as FieldName](source);
      if (verdict.ok) values[key as FieldName] = verdict.value;
      else errors.push(fieldError(verdict.type, key, verdict.msg, source, verdict.ctx));
    }
    seen.add(key);
    if (errors.length === FIELD_ERRORS_MAX) break;
  }
  const missing = FIELD_NAMES.filter((name) => !seen.has(name));
  errors.push(...missing.map((name) => fieldError('missing', name, 'Field required', body)));
  if (errors.length > 0) return failed(errors.slice(0, FIELD_ERRORS_MAX), values.event_id);
  return {
    ok: true,
    event: {
      eventId: values.event_id as string,
      orderId: values.order_id as string,
      userId: values.user_id as string,
      totalAmount: values.total_amount as string,
      timestamp: values.timestamp as string,
    },
  };
}

function fieldError(
  type: string,
  key: string,
  msg: string,
  source: string,
  ctx?: FieldError['ctx'],
): FieldError {
  // The client chose the key too: it may be too long for an answer, or not valid Unicode.
  const error = {
    type,
    loc: ['body', key.slice(0, 200).toWellFormed()],
    msg,
    input: echoOf(source),
  };
  return ctx === undefined ? error : { ...error, ctx };
}

function failed(errors: FieldError[], eventIdHint?: string): ParsedEvent {
  return eventIdHint === undefined ? { ok: false, errors } : { ok: false, errors, eventIdHint };
}

function notJson(position: number, error: string): ParsedEvent {
  const loc = ['body', position];
  return failed([
    { type: 'json_invalid', loc, msg: 'JSON decode error', input: {}, ctx: { error } },
  ]);
}
