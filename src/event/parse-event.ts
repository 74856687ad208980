/**
 * The one validator of order events. The API runs it before it accepts an event; the consumer runs
 * it on every record, because any Kafka client may write to the topic.
 */
import { isUtf8 } from 'node:buffer';
import type { DeclaredEvents } from './declared-events.ts';
import { ENVELOPE, type Envelope, type EnvelopeField } from './envelope.ts';
import type { EventRules } from './event-rules.ts';
import { echoOf, FIELD_ERRORS_MAX, type FieldError } from './field-error.ts';
import { checkSignedAmount } from './fields.ts';
import { type JsonMember, membersOf } from './json-members.ts';
import type { OrderEvent } from './order-event.ts';
import { checkId, type IdVerdict } from './text-ids.ts';
import {
  type Misfit,
  misfitOf,
  readTyping,
  TYPING_KEYS,
  type Typing,
  type UnfitReason,
} from './typing.ts';
import { parseUsualForm } from './usual-form.ts';

export type ParsedEvent =
  | { readonly ok: true; readonly event: OrderEvent }
  | {
      readonly ok: false;
      /** Every error found, at most FIELD_ERRORS_MAX. */
      readonly errors: readonly FieldError[];
      /** The event_id, if it is valid. It serves searches only; a failed event claims no id. */
      readonly eventIdHint?: string;
      /**
       * The event, if its envelope is valid and only this deployment does not know or refuses its
       * type, version or data. Another deployment may accept it.
       */
      readonly unfit?: { readonly reason: UnfitReason; readonly event: OrderEvent };
    };

const FIELDS: ReadonlyMap<string, EnvelopeField> = new Map(
  ENVELOPE.map((field) => [field.name, field]),
);

/** Never throws on any input. */
export function parseEvent(bytes: Buffer, rules: EventRules): ParsedEvent {
  if (bytes.length > rules.bytesMax) return notJson(0, `Longer than ${rules.bytesMax} bytes`);
  if (!isUtf8(bytes)) return notJson(0, 'Not valid UTF-8');
  const text = bytes.toString('utf8');
  const event = parseUsualForm(text, rules.declared);
  return event === null ? parseAnyForm(text, rules) : { ok: true, event };
}

/** Parses an event in any valid form, without the shortcut of usual-form.ts. Never throws. */
export function parseAnyForm(text: string, rules: EventRules): ParsedEvent {
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
  return checkMembers(membersOf(source), source, rules);
}

/** What the members of a body say, before the type of the event is looked at. */
type Reading = {
  readonly body: string;
  readonly sources: ReadonlyMap<string, string>;
  /** Canonical values of the envelope, by property; null where the field is absent. */
  readonly values: Readonly<Record<string, string | null>>;
  /** Text ids, by property. */
  readonly sent: Readonly<Record<string, string>>;
  readonly errors: readonly FieldError[];
  /** Whether every deployment that declares types would accept the envelope. */
  readonly isEnvelopeValid: boolean;
};

function checkMembers(
  members: readonly JsonMember[],
  body: string,
  rules: EventRules,
): ParsedEvent {
  const reading = readMembers(members, body, rules);
  const { values } = reading;
  const { typing, errors: ofTyping } = readTyping(reading.sources);
  const misfit = ofTyping.length > 0 ? null : misfitIn(reading, typing, rules);
  // Without a declaration, `type` is refused as any member is that the API does not know.
  const errors =
    rules.declared === null
      ? reading.errors
      : [...reading.errors, ...ofTyping, ...(misfit?.errors ?? [])];
  if (errors.length === 0) return { ok: true, event: eventOf(reading, typing, rules) };
  const isUnfit = misfit !== null && reading.isEnvelopeValid;
  return {
    ok: false,
    errors: errors.slice(0, FIELD_ERRORS_MAX),
    ...(typeof values.eventId === 'string' ? { eventIdHint: values.eventId } : {}),
    ...(isUnfit
      ? { unfit: { reason: misfit.reason, event: eventOf(reading, typing, rules) } }
      : {}),
  };
}

function readMembers(members: readonly JsonMember[], body: string, rules: EventRules): Reading {
  const isTyped = members.some(({ key }) => TYPING_KEYS.includes(key));
  const sources = new Map<string, string>();
  const values: Record<string, string | null> = {};
  const sent: Record<string, string> = {};
  const errors: FieldError[] = [];
  let isEnvelopeValid = true;
  const refuse = (
    type: string,
    key: string,
    msg: string,
    source: string,
    ctx?: FieldError['ctx'],
  ) => {
    isEnvelopeValid &&= type === 'extra_forbidden' && TYPING_KEYS.includes(key);
    errors.push(fieldError(type, key, msg, source, ctx));
  };
  for (const { key, source } of members) {
    const field = FIELDS.get(key);
    if (sources.has(key)) refuse('duplicate_key', key, 'Key given more than once', source);
    else if (field !== undefined) {
      const verdict = checkField(field, source, isTyped, rules.declared);
      if (!verdict.ok) refuse(verdict.type, key, verdict.msg, source, verdict.ctx);
      else values[field.property] = verdict.value;
      if (verdict.sent !== undefined) sent[field.property] = verdict.sent;
    } else if (rules.declared === null || !TYPING_KEYS.includes(key)) {
      refuse('extra_forbidden', key, 'Extra inputs are not permitted', source);
    }
    sources.set(key, source);
    if (errors.length === FIELD_ERRORS_MAX) break;
  }
  for (const { name, property, presence } of ENVELOPE as readonly EnvelopeField[]) {
    if (sources.has(name)) continue;
    values[property] = null;
    const isNeeded = presence === 'always' || (presence === 'by type' && !isTyped);
    if (isNeeded) refuse('missing', name, 'Field required', body);
  }
  return { body, sources, values, sent, errors, isEnvelopeValid };
}

/**
 * Whether an amount may be negative depends on the event's type, which a typed event may name after
 * it, and which this deployment may not know. So that is not decided here.
 */
function checkField(
  { property, presence, check }: EnvelopeField,
  source: string,
  isTyped: boolean,
  declared: DeclaredEvents | null,
): IdVerdict {
  if (presence === 'by type' && isTyped) return checkSignedAmount(source);
  if (property === 'eventId' || property === 'orderId') {
    return checkId(source, declared?.ids[property]);
  }
  return check(source);
}

function eventOf({ values, sent }: Reading, typing: Typing | null, rules: EventRules): OrderEvent {
  const envelope = values as unknown as Envelope;
  const { eventId = null, orderId = null } = sent;
  const isText = eventId !== null || orderId !== null;
  const event = { ...inOrder(envelope), ...(isText ? { sentIds: { eventId, orderId } } : {}) };
  if (typing === null) return event;
  const { type, data } = typing;
  const version = typing.version ?? rules.declared?.types.get(type)?.version ?? 1;
  return { ...event, type, version, ...(data === undefined ? {} : { data: data.text }) };
}

/** The same properties in the order of the table, so that all events have the same shape. */
function inOrder(envelope: Envelope): Envelope {
  const members = ENVELOPE.map(({ property }) => [property, envelope[property]]);
  return Object.fromEntries(members) as Envelope;
}

function misfitIn(
  { body, values, sources }: Reading,
  typing: Typing | null,
  rules: EventRules,
): Misfit | null {
  const { declared } = rules;
  if (typing !== null) {
    return misfitOf(typing, values.totalAmount, declared, sources.get('total_amount'));
  }
  if (declared?.untyped !== 'refuse') return null;
  return {
    reason: 'unknown_type',
    errors: [fieldError('missing', 'type', 'Field required', body)],
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

function failed(errors: FieldError[]): ParsedEvent {
  return { ok: false, errors };
}

function notJson(position: number, error: string): ParsedEvent {
  const loc = ['body', position];
  return failed([
    { type: 'json_invalid', loc, msg: 'JSON decode error', input: {}, ctx: { error } },
  ]);
}
