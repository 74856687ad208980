/**
 * The one validator of order events. The API runs it before it accepts an event; the consumer runs
 * it on every record, because any Kafka client may write to the topic.
 */
import { isUtf8 } from 'node:buffer';
import type { AmountRule } from './declaration.ts';
import type { DeclaredEvents } from './declared-events.ts';
import { ENVELOPE, type Envelope, type EnvelopeField } from './envelope.ts';
import type { EventRules } from './event-rules.ts';
import { echoOf, FIELD_ERRORS_MAX, type FieldError, refuse } from './field-error.ts';
import { checkSignedAmount } from './fields.ts';
import { type JsonMember, membersOf } from './json-members.ts';
import type { OrderEvent } from './order-event.ts';
import { checkId, type IdVerdict } from './text-ids.ts';
import {
  type Misfit,
  misfitOf,
  readTyping,
  TYPING_KEYS,
  type TypingReading,
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
      readonly unfit?: {
        readonly reason: UnfitReason;
        readonly event: OrderEvent;
        /** What the event says itself; null if it does not. */
        readonly type: string | null;
        readonly version: number | null;
      };
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

/** What the members of a body say, before the data is looked at. */
type Reading = {
  readonly typing: TypingReading | null;
  /** Canonical values of the envelope, by property; null where the field is absent. */
  readonly values: Readonly<Record<string, string | null>>;
  /** Text ids, by property. */
  readonly sent: Readonly<Record<string, string>>;
  readonly errors: readonly FieldError[];
  /** Whether another deployment may accept the envelope. */
  readonly isEnvelopeValid: boolean;
};

function checkMembers(
  members: readonly JsonMember[],
  body: string,
  rules: EventRules,
): ParsedEvent {
  const reading = readMembers(members, body, rules);
  const misfit = misfitIn(reading, body, rules);
  // Without a declaration, `type` is refused as any member is that the API does not know.
  const errors =
    rules.declared === null ? reading.errors : [...reading.errors, ...(misfit?.errors ?? [])];
  if (errors.length === 0) return { ok: true, event: eventOf(reading, rules) };
  const { eventId } = reading.values;
  const failed = {
    ok: false as const,
    errors: errors.slice(0, FIELD_ERRORS_MAX),
    ...(typeof eventId === 'string' ? { eventIdHint: eventId } : {}),
  };
  if (!reading.isEnvelopeValid || reading.typing?.isNamed === false) return failed;
  const { type = null, version = null } = reading.typing?.typing ?? {};
  return {
    ...failed,
    unfit: {
      reason: misfit?.reason ?? 'invalid_data',
      event: eventOf(reading, rules),
      type,
      version,
    },
  };
}

function readMembers(members: readonly JsonMember[], body: string, rules: EventRules): Reading {
  const { declared } = rules;
  const sources = new Map<string, string>();
  for (const { key, source } of members) if (!sources.has(key)) sources.set(key, source);
  const typing = readTyping(sources);
  const values: Record<string, string | null> = {};
  const sent: Record<string, string> = {};
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  let isEnvelopeValid = true;
  for (const { key, source } of members) {
    const field = FIELDS.get(key);
    let verdict: MemberVerdict | null = null;
    if (seen.has(key)) verdict = refuse('duplicate_key', 'Key given more than once');
    else if (field !== undefined) {
      verdict = checkField(field, source, typing, declared);
      values[field.property] = verdict.ok ? verdict.value : (verdict.elsewhere ?? null);
      if (verdict.ok && verdict.sent !== undefined) sent[field.property] = verdict.sent;
    } else if (declared === null || !TYPING_KEYS.includes(key)) {
      verdict = {
        ...refuse('extra_forbidden', 'Extra inputs are not permitted'),
        ...(TYPING_KEYS.includes(key) ? { elsewhere: null } : {}),
      };
    }
    seen.add(key);
    if (verdict === null || verdict.ok) continue;
    errors.push(fieldError(verdict.type, key, verdict.msg, source, verdict.ctx));
    isEnvelopeValid &&= verdict.elsewhere !== undefined;
    if (errors.length === FIELD_ERRORS_MAX) break;
  }
  for (const { name, property, presence } of ENVELOPE as readonly EnvelopeField[]) {
    if (seen.has(name)) continue;
    values[property] = null;
    const rule = presence === 'by type' ? amountRuleOf(typing, declared) : null;
    if (presence === 'optional' || rule === 'none' || rule === 'unknown') continue;
    errors.push(fieldError('missing', name, 'Field required', body));
    // An event of a type that another deployment declares may have no amount.
    isEnvelopeValid &&= presence === 'by type' && typing !== null;
  }
  return { typing, values, sent, errors, isEnvelopeValid };
}

/** `elsewhere`: another deployment may accept the member, and then this is its canonical value. */
type MemberVerdict = IdVerdict & { readonly elsewhere?: string | null };

function checkField(
  { property, presence, check }: EnvelopeField,
  source: string,
  typing: TypingReading | null,
  declared: DeclaredEvents | null,
): MemberVerdict {
  if (property === 'eventId' || property === 'orderId') {
    return checkId(source, declared?.ids[property]);
  }
  if (presence !== 'by type' || typing === null) return check(source);
  const signed = checkSignedAmount(source);
  const rule = amountRuleOf(typing, declared);
  if (rule === 'signed' || rule === 'unknown') return signed;
  const { type } = typing.typing;
  const verdict =
    rule === 'positive'
      ? check(source)
      : refuse('extra_forbidden', `Events of the type "${type}" have no amount`);
  return verdict.ok || !signed.ok ? verdict : { ...verdict, elsewhere: signed.value };
}

/** What the amount of an event may be; `unknown` if this deployment does not know its type. */
function amountRuleOf(
  typing: TypingReading | null,
  declared: DeclaredEvents | null,
): AmountRule | 'unknown' {
  if (typing === null || declared === null) return 'positive';
  return declared.types.get(typing.typing.type)?.amount ?? 'unknown';
}

function eventOf({ values, sent, typing }: Reading, rules: EventRules): OrderEvent {
  const envelope = values as unknown as Envelope;
  const { eventId = null, orderId = null } = sent;
  const isText = eventId !== null || orderId !== null;
  const event = { ...inOrder(envelope), ...(isText ? { sentIds: { eventId, orderId } } : {}) };
  if (typing === null) return event;
  const { type, version: said, data } = typing.typing;
  const version = said ?? rules.declared?.types.get(type)?.version ?? 1;
  return { ...event, type, version, ...(data === undefined ? {} : { data: data.text }) };
}

/** The same properties in the order of the table, so that all events have the same shape. */
function inOrder(envelope: Envelope): Envelope {
  const members = ENVELOPE.map(({ property }) => [property, envelope[property]]);
  return Object.fromEntries(members) as Envelope;
}

/** What does not fit this deployment, with all that is wrong with the typing; null if all of it fits. */
function misfitIn(
  { typing: reading }: Reading,
  body: string,
  { declared }: EventRules,
): Misfit | null {
  if (reading === null) {
    if (declared?.untyped !== 'refuse') return null;
    const errors = [fieldError('missing', 'type', 'Field required', body)];
    return { reason: 'unknown_type', errors };
  }
  const { typing, errors, isNamed, isJudgeable } = reading;
  const misfit = isNamed && isJudgeable ? misfitOf(typing, declared) : null;
  if (errors.length === 0) return misfit;
  // Where the data has a problem already, a schema judges what JSON.parse made of it.
  const places = new Set(errors.map(({ loc }) => JSON.stringify(loc)));
  const others = (misfit?.errors ?? []).filter(({ loc }) => !places.has(JSON.stringify(loc)));
  return { reason: misfit?.reason ?? 'invalid_data', errors: [...errors, ...others] };
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
