/** How answers show a stored event: the fields of the envelope, and what only some events have. */
import { ENVELOPE, type EnvelopeField } from '../event/envelope.ts';
import { nullable, payload, record, type Schema } from '../runtime/operation.ts';
import { AMOUNT, ID, TEXT, TIME } from './parts.ts';

const OF_TYPE: Readonly<Record<EnvelopeField['sqlType'], Schema & { readonly type: string }>> = {
  uuid: ID,
  text: TEXT,
  numeric: AMOUNT,
  timestamptz: TIME,
};

/** Ids and times are needed to find an event. The rest is what its sender wrote. */
const isPayload = ({ sqlType }: EnvelopeField) => sqlType === 'text' || sqlType === 'numeric';

/** The schemas of the envelope's fields, by name. @param without names that are shown otherwise. */
export function envelopeParts(...without: string[]): Readonly<Record<string, Schema>> {
  const fields: readonly EnvelopeField[] = ENVELOPE;
  const shown = fields.filter(({ name }) => !without.includes(name));
  return Object.fromEntries(
    shown.map((field) => {
      const { name, sqlType, presence } = field;
      const schema = presence === 'always' ? OF_TYPE[sqlType] : nullable(OF_TYPE[sqlType]);
      return [name, isPayload(field) ? payload(schema) : schema];
    }),
  );
}

/** What an answer leaves out where an event does not have it. */
const OF_SOME = {
  sent_event_id: { ...TEXT, description: 'The event_id as it was sent, if that is a text id.' },
  sent_order_id: { ...TEXT, description: 'The order_id as it was sent, if that is a text id.' },
  type: { ...TEXT, description: 'Only events of declared types have the next three.' },
  version: { type: 'integer', minimum: 1 },
  data: payload({
    type: 'object',
    description: 'As it was sent, but for the order of its keys.',
  }),
};

/** The schema of a stored event. @param parts are in every answer. */
export function eventRecord(parts: Readonly<Record<string, Schema>>): Schema {
  const required = record(parts);
  return { ...required, properties: { ...parts, ...OF_SOME } };
}
