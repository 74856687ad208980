/**
 * The JSON Schema of an event, for the descriptions of the APIs. It accepts what parse-event.ts
 * accepts, as far as a JSON Schema can say it; a test compares the two.
 */
import type { JsonSchema } from './declaration.ts';
import type { DeclaredEvents, DeclaredType } from './declared-events.ts';
import { ENVELOPE, type EnvelopeField, type FieldName } from './envelope.ts';
import { SIGNED_AMOUNT_SCHEMA } from './field-schemas.ts';
import { TEXT_ID_CODE_POINTS_MAX } from './fields.ts';

const FIELDS: readonly EnvelopeField[] = ENVELOPE;

/** An event with the usual values, for examples. */
export const EVENT_EXAMPLE = Object.fromEntries(
  FIELDS.filter(({ presence }) => presence !== 'optional').map(({ name, example }) => [
    name,
    example,
  ]),
) as { readonly [N in FieldName]: Extract<(typeof ENVELOPE)[number], { name: N }>['example'] };

/** The schema of an event without a type. */
export const EVENT_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: FIELDS.filter(({ presence }) => presence !== 'optional').map(({ name }) => name),
  properties: propertiesOf(null),
};

/** The schema of the events that a deployment accepts, with one alternative for each type. */
export function eventSchemaOf(declared: DeclaredEvents | null): JsonSchema {
  if (declared === null || declared.types.size === 0) {
    return { ...EVENT_SCHEMA, properties: propertiesOf(declared) };
  }
  const untyped = { ...EVENT_SCHEMA, title: 'untyped', properties: propertiesOf(declared) };
  const typed = [...declared.types.values()].map((type) => schemaOfType(type, declared));
  return { oneOf: declared.untyped === 'accept' ? [untyped, ...typed] : typed };
}

function schemaOfType(type: DeclaredType, declared: DeclaredEvents): JsonSchema {
  const { name, version, amount, dataSchema } = type;
  const { total_amount: positive, ...others } = propertiesOf(declared);
  const signed = { ...positive, ...SIGNED_AMOUNT_SCHEMA };
  const required = EVENT_SCHEMA.required.filter((n) => n !== 'total_amount' || amount !== 'none');
  return {
    title: name,
    type: 'object',
    additionalProperties: false,
    required: [...required, 'type', ...(dataSchema === null ? [] : ['data'])],
    properties: {
      ...others,
      ...(amount === 'none' ? {} : { total_amount: amount === 'signed' ? signed : positive }),
      type: { const: name },
      version: {
        type: 'integer',
        default: version,
        enum: Array.from({ length: version }, (_, i) => i + 1).filter(type.knows),
        description: 'Data of an older version is described by that version.',
      },
      ...(dataSchema === null ? {} : { data: dataSchema }),
    },
  };
}

function propertiesOf(declared: DeclaredEvents | null): Record<string, JsonSchema> {
  const properties = FIELDS.map(({ name, property, schema, description }) => {
    const isText = declared?.ids[property as 'eventId' | 'orderId'] !== undefined;
    return [name, { ...(isText ? TEXT_ID : schema), description }];
  });
  return Object.fromEntries(properties);
}

const TEXT_ID = {
  type: 'string',
  minLength: 1,
  maxLength: TEXT_ID_CODE_POINTS_MAX,
  pattern: '^[^\\u0000]*$',
} as const;
