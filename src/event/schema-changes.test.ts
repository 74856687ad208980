import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { JsonSchema } from './declaration.ts';
import { firstBreakingChange } from './schema-changes.ts';

const object = (properties: object, others: object = {}): JsonSchema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...others,
});
const A = { a: { type: 'string' } };
const AB = { ...A, b: { type: 'integer' } };
const of = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
const one = (kind: string, more: object) => ({
  type: 'object',
  properties: { kind: { const: kind }, ...more },
  required: ['kind'],
});

const ALLOWED: Record<string, [before: JsonSchema, after: JsonSchema]> = {
  'an optional property': [object(A), object(AB)],
  'one in an object that allows others': [{ properties: A }, { properties: AB }],
  'the first property': [{ type: 'object' }, { type: 'object', properties: A }],
  'one in a list': [
    object({ l: { type: 'array', items: object(A) } }),
    object({ l: { type: 'array', items: object(AB) } }),
  ],
  'another title': [object(A, { title: 'x' }), object(A, { description: 'y' })],
  'another order': [
    object(A, { required: ['a', 'b'], enum: [1, { x: 1 }] }),
    object(A, { required: ['b', 'a'], enum: [{ x: 1 }, 1] }),
  ],
  'a definition for it': [
    of(z.object({ a: z.string() })),
    of(
      z.object({
        a: z.string(),
        b: z.object({ c: z.int() }).meta({ id: 'schema-changes' }).optional(),
      }),
    ),
  ],
  'one of alternatives that a constant tells apart': [
    { oneOf: [one('x', A), one('y', A)] },
    { oneOf: [one('x', AB), one('y', A)] },
  ],
};

const BREAKING: Record<string, [before: JsonSchema, after: JsonSchema, path: string]> = {
  'another type': [object(A), object({ a: { type: 'integer' } }), '#/properties/a/type'],
  'a required property': [object(A), object(AB, { required: ['b'] }), '#/required'],
  'a removed one': [object(AB), object(A), '#/properties/b'],
  'one that must be absent': [
    { properties: A },
    { properties: { ...A, b: false } },
    '#/properties/b',
  ],
  'one that others had to fit': [
    object(A, { additionalProperties: { type: 'string' } }),
    object(AB, { additionalProperties: { type: 'string' } }),
    '#/properties/b',
  ],
  'one that a pattern had': [
    object(A, { patternProperties: { '^b': { type: 'string' } } }),
    object(AB, { patternProperties: { '^b': { type: 'string' } } }),
    '#/properties/b',
  ],
  'one in what is negated': [{ not: object(A) }, { not: object(AB) }, '#/not/properties/b'],
  'one in a condition': [
    { if: object(A), else: object(A) },
    { if: object(AB), else: object(A) },
    '#/if/properties/b',
  ],
  'one in an alternative': [
    { oneOf: [object(A), object({ c: {} })] },
    { oneOf: [object(AB), object({ c: {} })] },
    '#/oneOf/0/properties/b',
  ],
  'a definition called title': [
    { $defs: { title: { type: 'string' } }, $ref: '#/$defs/title' },
    { $defs: { title: { type: 'integer' } }, $ref: '#/$defs/title' },
    '#/$defs/title/type',
  ],
  'one in a definition that may be negated': [
    { $defs: { d: object(A) }, not: { $ref: '#/$defs/d' } },
    { $defs: { d: object(AB) }, not: { $ref: '#/$defs/d' } },
    '#/$defs/d/properties/b',
  ],
  'a member of a constant': [{ const: { title: 1 } }, { const: { title: 2 } }, '#/const'],
  'a value less': [{ enum: ['a', 'b'] }, { enum: ['a'] }, '#/enum'],
  'another id': [{ $id: 'a' }, { $id: 'b' }, '#/$id'],
  'data where there was none': [
    { properties: A },
    { properties: A, minProperties: 1 },
    '#/minProperties',
  ],
};

describe('firstBreakingChange', () => {
  for (const [what, [before, after]] of Object.entries(ALLOWED)) {
    it(`allows ${what}`, () => assert.equal(firstBreakingChange(before, after), null));
  }
  for (const [what, [before, after, path]] of Object.entries(BREAKING)) {
    it(`finds ${what}`, () => assert.equal(firstBreakingChange(before, after), path));
  }
  it('finds that a version has data where it had none', () => {
    assert.equal(firstBreakingChange(null, object(A)), '#');
    assert.equal(firstBreakingChange(object(A), null), '#');
    assert.equal(firstBreakingChange(null, null), null);
  });
});
