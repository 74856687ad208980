/** Random declarations of a type, each with data that often is as declared. */
import fc from 'fast-check';

/** A JSON Schema, and values of which some are valid. */
const leaf = fc.constantFrom<[object, fc.Arbitrary<unknown>]>(
  [{ type: 'string', maxLength: 5 }, fc.string({ maxLength: 7 })],
  [{ type: 'integer', minimum: 0 }, fc.integer({ min: -2 })],
  [{ type: 'number' }, fc.double({ noNaN: true, noDefaultInfinity: true })],
  [{ type: 'boolean' }, fc.boolean()],
  [{ enum: ['a', 'b'] }, fc.constantFrom('a', 'b', 'c')],
  [
    { type: 'array', items: { type: 'string' }, maxItems: 3 },
    fc.array(fc.string(), { maxLength: 4 }),
  ],
);

/** A declaration, and `n` events that follow it or nearly do. */
export const declarationsWith = (n: number) =>
  fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), leaf, { maxKeys: 4 }).chain((fields) => {
    const entries = Object.entries(fields);
    const properties = Object.fromEntries(entries.map(([key, [schema]]) => [key, schema]));
    const data = { type: 'object', properties, additionalProperties: false };
    const values = entries.map(([key, [, value]]) => [key, value] as const);
    const event = fc.record({
      data: fc.record(Object.fromEntries(values), { requiredKeys: [] }),
      total_amount: fc.constantFrom('1', '-2.5', 3, '0'),
    });
    return fc.record({
      declaration: fc.constant({ data, amount: 'signed' as const }),
      events: fc.array(event, { minLength: n, maxLength: n }),
    });
  });
