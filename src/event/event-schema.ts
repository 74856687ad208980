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

/**
 * The schema of the events that a deployment accepts, with one alternative for each type.
 * @param at the JSON pointer under which a document holds the schema. References within the data of a
 * type are from the root of its own schema, and here that is elsewhere.
 */
export function eventSchemaOf(declared: DeclaredEvents | null, at = '#'): JsonSchema {
  if (declared === null || declared.types.size === 0) {
    return { ...EVENT_SCHEMA, properties: propertiesOf(declared) };
  }
  const untyped = { ...EVENT_SCHEMA, title: 'untyped', properties: propertiesOf(declared) };
  const before = declared.untyped === 'accept' ? [untyped] : [];
  const typed = [...declared.types.values()].map((type, i) =>
    schemaOfType(type, declared, `${at}/oneOf/${before.length + i}/properties/data`),
  );
  return { oneOf: [...before, ...typed] };
}

function schemaOfType(type: DeclaredType, declared: DeclaredEvents, dataAt: string): JsonSchema {
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
      ...(dataSchema === null ? {} : { data: placedAt(dataAt, dataSchema) }),
    },
  };
}

/** The schema with its references as they are where it is placed. With an `$id` they stay as they are. */
function placedAt(pointer: string, schema: JsonSchema): JsonSchema {
  if (schema.$id !== undefined) return schema;
  const text = JSON.stringify(schema, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && /^#(\/|$)/.test(value)
      ? pointer + value.slice(1)
      : value,
  );
  return JSON.parse(text) as JsonSchema;
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
