/**
 * A faster path for the usual form of an event, which our own API writes into every record and most
 * clients send: fields in the order of the docs, amount as a number or a string, time in UTC with
 * `Z`. It uses one regular expression instead of a parser. Text that does not match completely is
 * left to parseAnyForm; a property test checks that both give the same result.
 */
import { readData } from './canonical-data.ts';
import type { DeclaredEvents } from './declared-events.ts';
import { ENVELOPE, type Envelope, type EnvelopeField } from './envelope.ts';
import type { OrderEvent } from './order-event.ts';
import { misfitOf } from './typing.ts';

const FIELDS: readonly EnvelopeField[] = ENVELOPE;
const MEMBERS = FIELDS.map(({ name, presence, usual }, i) => {
  const member = `${i === 0 ? '' : ', ?'}"${name}": ?${usual.pattern}`;
  return presence === 'optional' ? `(?:${member})?` : member;
}).join('');
const USUAL = new RegExp(`^\\{${MEMBERS}\\}$`);
/** The typing behind the envelope. What looks like data may be more than that; JSON.parse tells. */
const TYPED = new RegExp(
  `^\\{${MEMBERS}, ?"type": ?"([A-Za-z][A-Za-z0-9._-]{0,59})"` +
    `(?:, ?"version": ?([1-9]\\d{0,5}))?(?:, ?"data": ?(\\{.*))?\\}$`,
  's',
);
/** Where the groups of each field begin in a match. */
const GROUPS = FIELDS.map((_, i) =>
  FIELDS.slice(0, i).reduce((sum, { usual }) => sum + usual.groups, 1),
);
const TYPE_GROUP = FIELDS.reduce((sum, { usual }) => sum + usual.groups, 1);
// Lists of their own, because this is the hottest loop of parsing.
const PROPERTIES = FIELDS.map(({ property }) => property);
const HAS_TWO_GROUPS = FIELDS.map(({ usual }) => usual.groups === 2);
const CANONICAL = FIELDS.map(({ usual }) => usual.canonical);
/** All events are copies of this one, so they have one shape. */
const EMPTY = Object.fromEntries(PROPERTIES.map((property) => [property, null]));

/**
 * @returns null if the text has another form, is not valid, or has the date 29 February; the caller
 * must then use parseAnyForm.
 */
export function parseUsualForm(text: string, declared: DeclaredEvents | null): OrderEvent | null {
  if (declared?.untyped !== 'refuse') {
    const match = USUAL.exec(text);
    if (match !== null) return envelopeOf(match);
  }
  return declared === null || declared.types.size === 0 ? null : parseTyped(text, declared);
}

function parseTyped(text: string, declared: DeclaredEvents): OrderEvent | null {
  const match = TYPED.exec(text);
  const envelope = match === null ? null : envelopeOf(match);
  if (match === null || envelope === null) return null;
  const [, written, source] = match.slice(TYPE_GROUP);
  const type = match[TYPE_GROUP] as string;
  const data = source === undefined ? undefined : readDataOrNull(source);
  if (data === null) return null;
  const version = written === undefined ? null : Number(written);
  const typing = data === undefined ? { type, version } : { type, version, data };
  const known = declared.types.get(type);
  // In the usual form there is an amount.
  if (known?.amount === 'none' || misfitOf(typing, declared) !== null) return null;
  return {
    ...envelope,
    type,
    version: version ?? known?.version,
    ...(data === undefined ? {} : { data: data.text }),
  };
}

function readDataOrNull(source: string) {
  try {
    const reading = readData(source);
    return 'problems' in reading ? null : reading;
  } catch {
    return null;
  }
}

/** The envelope in a match; null if a value must be left to its check. */
function envelopeOf(match: RegExpExecArray): Envelope | null {
  const envelope: Record<string, string | null> = { ...EMPTY };
  for (let i = 0; i < PROPERTIES.length; i++) {
    const at = GROUPS[i] as number;
    const matched = match[at] ?? (HAS_TWO_GROUPS[i] ? match[at + 1] : undefined);
    // An optional field may be absent. A value that is there and has no canonical form may not.
    if (matched === undefined) continue;
    const canonical = CANONICAL[i] as (typeof CANONICAL)[number];
    const value = canonical === undefined ? matched : canonical(matched);
    if (value === null) return null;
    envelope[PROPERTIES[i] as string] = value;
  }
  return envelope as Envelope;
}
