import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { EventOptions, EventTypes } from './declaration.ts';
import { compileEvents, viewNameOf } from './declared-events.ts';

const compile = (types: EventTypes, options: EventOptions = {}) =>
  compileEvents({ types, options });

function refusal(types: EventTypes, options: EventOptions = {}): string {
  try {
    compile(types, options);
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    assert.equal(code, 'EVENTS_INVALID');
    return message;
  }
  return 'accepted';
}

const OBJECT = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };

describe('compileEvents', () => {
  it('checks data by a JSON Schema and by a Standard Schema alike', () => {
    const { types } = compile({
      json: { data: OBJECT },
      standard: { data: z.object({ a: z.int() }) },
    });
    for (const name of ['json', 'standard']) {
      const type = types.get(name);
      assert.deepEqual(type?.check(1, { a: 1 }), []);
      assert.deepEqual(
        type?.check(1, {}).map((issue) => [issue.type, issue.path]),
        [['missing', ['a']]],
        name,
      );
      assert.deepEqual(
        type?.check(1, undefined).map((issue) => issue.type),
        ['missing'],
      );
      assert.equal(type?.dataSchema?.type, 'object');
    }
  });

  it('refuses a JSON Schema that is checked asynchronously, and survives any asynchronous upgrade', async () => {
    const data = { $async: true, type: 'object', properties: { a: { type: 'string' } } };
    assert.match(refusal({ t: { data } }), /t@1 is checked asynchronously/);
    const upgrade = { 1: async () => Promise.reject(new Error('boom')), 2: (old: unknown) => old };
    const known = compile({ t: { data: OBJECT, version: 3, upgrade } }).types.get('t');
    for (const version of [1, 2]) {
      const [issue] = known?.check(version, {}) ?? [];
      assert.equal(issue?.type, version === 1 ? 'upgrade_failed' : 'missing');
    }
    // An unhandled rejection would end the process now.
    await new Promise(setImmediate);
  });

  it('accepts unions of which one takes what another would have to convert', () => {
    const id = z.union([z.string(), z.int()]);
    for (const a of [
      ...[
        id,
        id.optional(),
        z.array(id),
        z.union([z.int32(), z.uuid()]),
        z.union([z.enum(['x']), z.int()]),
      ],
      ...[z.union([z.string(), z.unknown()]), z.union([z.string(), z.literal([1, 'x'])])],
      ...[z.union([z.array(z.number()), z.array(z.string())]), z.union([z.number(), z.object({})])],
      z.object({ other: z.string() }).catchall(z.number()),
    ]) {
      assert.equal(refusal({ t: { data: z.object({ a }) } }), 'accepted');
    }
  });

  it('accepts many places with a pattern, and a schema with an id of its own', () => {
    const ids = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`id${i}`, z.uuid()]));
    assert.equal(refusal({ t: { data: z.object({ ...ids, n: z.number() }) } }), 'accepted');
    const named = z.object({ a: z.string() }).meta({ id: 'Order' });
    assert.equal(compile({ t: { data: named } }).types.get('t')?.dataSchema?.type, 'object');
  });

  it('says where in a schema the part is that cannot be used', () => {
    const lines = z.array(z.object({ at: z.date().optional() }));
    assert.match(
      refusal({ t: { data: z.object({ lines }) } }),
      /at #\/properties\/lines\/items\/properties\/at: /,
    );
    const trimmed = z.object({ of: z.union([z.string(), z.string().transform(Number)]) });
    assert.match(refusal({ t: { data: trimmed } }), /#\/properties\/of/);
    for (const wrong of [
      { colour: 1 },
      { pattern: '(' },
      { $ref: 'https://example.com/x' },
      { $ref: '#/$defs/no' },
    ]) {
      const data = { type: 'object', properties: { a: { type: 'array', items: wrong } } };
      assert.match(refusal({ t: { data } }), /at #\/properties\/a\/items: /, JSON.stringify(wrong));
    }
  });

  it('refuses conversions wherever they are', () => {
    const n = z.coerce.number();
    for (const a of [
      n.nullable(),
      z.record(z.string(), n),
      z.tuple([z.string(), n]),
      z.union([n, z.boolean()]),
    ]) {
      assert.match(refusal({ t: { data: z.object({ a }) } }), /converts the value at #\/a/);
    }
    assert.equal(
      refusal({ t: { data: z.object({ a: z.union([z.string(), z.number()]) }) } }),
      'accepted',
    );
  });

  it('names the type of a schema that cannot be read at all, and knows keywords from names', () => {
    const circle: Record<string, unknown> = { type: 'object' };
    circle.properties = { circle };
    assert.match(refusal({ t: { data: circle } }), /"t" cannot be compiled/);
    assert.match(refusal({ t: { upgrade: null } as never }), /"t"/);
    const named = {
      type: 'object',
      properties: { default: {} },
      dependentRequired: { default: [] },
    };
    assert.equal(refusal({ t: { data: named } }), 'accepted');
    const hidden = { type: 'object', properties: { properties: { default: 1 } } };
    assert.match(refusal({ t: { data: hidden } }), /default at #\/properties\/properties/);
  });

  it('survives an upgrade that returns what no check can read', () => {
    const data = { type: 'object', properties: { a: { $ref: '#' } } };
    const upgrade = {
      1: () => {
        const circle: Record<string, unknown> = {};
        circle.a = circle;
        return circle;
      },
    };
    const known = compile({ t: { data, version: 2, upgrade } }).types.get('t');
    assert.equal(known?.check(1, {})[0]?.type, 'upgrade_failed');
  });

  it('lifts data to a version that has none, and to the first that has some', () => {
    const gained = { data: OBJECT, version: 2, upgrade: { 1: () => ({ a: 1 }) } };
    const lost = { version: 2, upgrade: { 1: () => undefined } };
    const { types } = compile({ gained, lost });
    assert.deepEqual(types.get('gained')?.check(1, undefined), []);
    assert.deepEqual(types.get('lost')?.check(1, { reason: 'x' }), []);
    for (const data of [null, 'abc', [1]]) {
      assert.equal(types.get('gained')?.check(1, data)[0]?.type, 'dict_type');
    }
  });

  it('names an index by a number and a key by a text, and takes prices as multiples of a cent', () => {
    const data = {
      type: 'object',
      properties: {
        price: { type: 'number', multipleOf: 0.01 },
        list: { type: 'array', items: { type: 'string' } },
      },
      additionalProperties: { type: 'string' },
    };
    const known = compile({ t: { data } }).types.get('t');
    const issues = known?.check(1, { '007': 1, list: ['a', 2], '9007199254740993': 3 }) ?? [];
    assert.deepEqual(issues.map(({ path }) => path).sort(), [
      ['007'],
      ['9007199254740993'],
      ['list', 1],
    ]);
    for (const price of [0.07, 0.29, 4.35, 19.99]) assert.deepEqual(known?.check(1, { price }), []);
    assert.equal(known?.check(1, { price: 0.001 })[0]?.type, 'multiple_of');
  });

  it('survives checks and upgrades that throw or that are asynchronous', async () => {
    const throwing = z.object({ a: z.string() }).refine(() => {
      throw new Error('boom');
    });
    const slow = z.object({ a: z.string() }).refine(async () => true);
    const upgrade = { 1: async () => Promise.reject(new Error('boom')) };
    const { types } = compile({
      throwing: { data: throwing },
      slow: { data: slow },
      lifted: { data: OBJECT, version: 2, upgrade },
    });
    const issueOf = (name: string) => types.get(name)?.check(1, { a: 'x' })[0]?.type;
    assert.equal(issueOf('throwing'), 'validator_failed');
    assert.equal(issueOf('slow'), 'validator_failed');
    assert.equal(issueOf('lifted'), 'upgrade_failed');
    // A rejection that nobody handles is reported before the next turn of the event loop.
    await new Promise((done) => setImmediate(done));
  });

  it('refuses what is misspelled, and takes one $id in several types', () => {
    const typo = { untypd: 'refuse' } as EventOptions;
    assert.match(refusal({}, typo), /^The options have "untypd", which is unknown/);
    assert.match(refusal({}, { ids: { events: 'x' } } as EventOptions), /"ids" has "events"/);
    assert.match(refusal({ t: null } as never), /must be declared by an object/);
    assert.match(refusal({ t: { data: true } } as never), /must be a Standard Schema, or a JSON/);
    const data = { ...OBJECT, $id: 'https://shop.example/t' };
    assert.equal(refusal({ a: { data }, b: { data } }), 'accepted');
    const inherited = { type: 'object', required: ['toString'] };
    const { types } = compile({ t: { data: inherited } });
    assert.equal(types.get('t')?.check(1, {})[0]?.type, 'missing');
  });

  it('says the path of each problem, with names that clients of FastAPI know', () => {
    const { types } = compile({
      t: {
        data: {
          type: 'object',
          properties: {
            lines: { type: 'array', items: { type: 'object', required: ['sku'] }, maxItems: 2 },
            code: { type: 'string', pattern: '^[A-Z]{3}$' },
            at: { type: 'string', format: 'date-time' },
          },
          additionalProperties: false,
        },
      },
    });
    const issues = types.get('t')?.check(1, { lines: [{}, 1, {}], code: 'x', at: 'y', 'a/b': 1 });
    assert.deepEqual(issues?.map(({ type, path }) => `${path.join('.')} ${type}`).sort(), [
      'a/b extra_forbidden',
      'at datetime_parsing',
      'code string_pattern_mismatch',
      'lines too_long',
      'lines.0.sku missing',
      'lines.1 dict_type',
      'lines.2.sku missing',
    ]);
  });

  it('refuses schemas that change the value, wait, or cannot be expressed in JSON Schema', () => {
    assert.match(
      refusal({ t: { data: z.object({ a: z.coerce.number() }) } }),
      /converts the value at #\/a/,
    );
    assert.match(refusal({ t: { data: z.object({ a: z.string().default('x') }) } }), /default/);
    assert.match(refusal({ t: { data: z.object({ a: z.string().transform(Number) }) } }), /t@1/);
    assert.match(refusal({ t: { data: z.object({ a: z.date() }) } }), /JSON Schema/);
    assert.match(refusal({ t: { data: z.string() as never } }), /object/);
    const waiting = z.object({}).refine(async () => true);
    assert.match(refusal({ t: { data: waiting } }), /asynchronous|failed|Promise/i);
    assert.match(refusal({ t: { data: { ...OBJECT, tpye: 1 } } }), /tpye/);
    assert.match(
      refusal({ t: { data: { type: 'object', properties: { a: { default: 1 } } } } }),
      /#\/properties\/a/,
    );
  });

  it('refuses declarations that contradict themselves', () => {
    assert.match(refusal({ '1st': {} }), /needs a name of another form/);
    assert.match(refusal({ 'a.b': {}, a_b: {} }), /share the view a_b/);
    assert.match(refusal({ t: { version: 0 } }), /version/);
    assert.match(refusal({ t: { amount: 'negative' as never } }), /amount/);
    assert.match(refusal({ t: { dta: OBJECT } as never }), /"dta"/);
    assert.match(refusal({ t: { version: 3, upgrade: { 1: (old) => old } } }), /leads nowhere/);
    assert.match(refusal({}, { untyped: 'maybe' as never }), /untyped/);
    assert.match(refusal({}, { ids: { event: 'with space' } }), /ids\.event/);
  });

  it('lifts data of older versions, and judges them by what becomes of them', () => {
    const { types } = compile({
      t: {
        version: 3,
        data: OBJECT,
        upgrade: { 1: ({ b }) => ({ c: b }), 2: ({ c }) => ({ a: c + 1 }) },
      },
    });
    const type = types.get('t');
    assert.deepEqual(type?.lift(1, { b: 1 }), { a: 2 });
    assert.deepEqual(type?.check(1, { b: 1 }), []);
    assert.deepEqual(
      type?.check(1, { b: 'x' }).map((issue) => issue.type),
      ['int_type'],
    );
    assert.deepEqual([1, 2, 3, 4].map(type?.knows as never), [true, true, true, false]);
    const { types: throwing } = compile({
      t: { version: 2, data: OBJECT, upgrade: { 1: ({ x }) => x.y.z } },
    });
    assert.deepEqual(
      throwing
        .get('t')
        ?.check(1, {})
        .map((issue) => issue.type),
      ['upgrade_failed'],
    );
  });

  it('derives ids and views in a way that never changes', () => {
    const { ids } = compile({}, { ids: { event: 'stripe' } });
    // Computed with Python: uuid.uuid5(uuid.NAMESPACE_URL, 'urn:orderonce:stripe').
    assert.deepEqual(ids, { eventId: 'd1481826-4f3e-51cc-ba2f-b6bef6789bf0' });
    assert.equal(viewNameOf('Order.placed-v2'), 'order_placed_v2');
  });
});
