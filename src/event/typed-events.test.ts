/** What the API accepts of typed events, and what the log holds of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { declarationsWith } from '../../test/support/random-declarations.ts';
import type { EventOptions, EventTypes } from './declaration.ts';
import { compileEvents } from './declared-events.ts';
import { type EventRules, UNDECLARED } from './event-rules.ts';
import { eventSchemaOf } from './event-schema.ts';
import { digestOf, toCanonicalJson } from './order-event.ts';
import { parseAnyForm, parseEvent } from './parse-event.ts';

const rulesOf = (types: EventTypes, options: EventOptions = {}) => ({
  ...UNDECLARED,
  declared: compileEvents({ types, options }),
});
const RULES = rulesOf({
  'order.placed': { data: z.object({ currency: z.string(), n: z.number().optional() }) },
  'order.cancelled': { amount: 'none' },
  'order.refunded': { amount: 'signed' },
});

const BASE = {
  event_id: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
  order_id: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f',
  user_id: 'user-42',
  total_amount: '99.95',
  timestamp: '2026-01-02T03:04:05Z',
};
const bytesOf = (parts: object) => Buffer.from(JSON.stringify({ ...BASE, ...parts }));

function errorsOf(body: Buffer | string, rules: EventRules = RULES): string[] {
  const parsed = parseEvent(Buffer.from(body), rules);
  return parsed.ok ? [] : parsed.errors.map(({ loc, type }) => `${loc.join('.')} ${type}`);
}

function eventOf(body: Buffer | string, rules = RULES) {
  const parsed = parseEvent(Buffer.from(body), rules);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.event;
}

describe('Typed events', () => {
  it('have one canonical form behind the five fields, with the version', () => {
    const event = eventOf(bytesOf({ type: 'order.placed', data: { n: 1.5, currency: 'EUR' } }));
    assert.equal(
      toCanonicalJson(event),
      '{"event_id":"7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01","order_id":"0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f",' +
        '"user_id":"user-42","total_amount":"99.9500","timestamp":"2026-01-02T03:04:05.000000Z",' +
        '"type":"order.placed","version":1,"data":{"currency":"EUR","n":1.5}}',
    );
    assert.deepEqual(eventOf(toCanonicalJson(event)), event);
  });

  it('have a digest that never changes', () => {
    const placed = eventOf(bytesOf({ type: 'order.placed', data: { currency: 'EUR' } }));
    const cancelled = eventOf(bytesOf({ type: 'order.cancelled', total_amount: undefined }));
    // Computed with Python's hashlib, as docs/events.md describes it.
    assert.deepEqual(
      [digestOf(placed), digestOf(cancelled)],
      [
        '4d3d72030bbdad319526781a144c813009f0f38d36ca5e282a2382e7dbcbfd36',
        '1b9f9548e653fed1cc516775bc160782e6f07b15f5681c3bd0baf4b53f203f32',
      ],
    );
  });

  it('are refused with the place of each problem, all at once', () => {
    const wrong = { type: 'order.placed', total_amount: -1, data: { currency: 1, n: 'x' }, x: 1 };
    assert.deepEqual(errorsOf(bytesOf(wrong)).sort(), [
      'body.data.currency value_error',
      'body.data.n value_error',
      'body.total_amount greater_than',
      'body.x extra_forbidden',
    ]);
    const none = { type: 'order.cancelled', data: {} };
    assert.deepEqual(errorsOf(bytesOf(none)), [
      'body.total_amount extra_forbidden',
      'body.data extra_forbidden',
    ]);
    const refund = { type: 'order.refunded', total_amount: '0.00' };
    assert.deepEqual(errorsOf(bytesOf(refund)), ['body.total_amount not_equal']);
    assert.deepEqual(errorsOf(bytesOf({ type: 'order.paid' })), ['body.type unknown_type']);
    assert.deepEqual(errorsOf(bytesOf({ type: 'order.refunded', version: 2 })), [
      'body.version unknown_version',
    ]);
    assert.deepEqual(errorsOf(bytesOf({ data: {} })), ['body.type missing']);
    assert.deepEqual(errorsOf(bytesOf({ type: 7, version: '1', data: {} })), [
      'body.type string_pattern_mismatch',
      'body.version int_parsing',
    ]);
  });

  it('are refused with what was sent, and at most 100 errors whatever the data holds', () => {
    const parsed = parseEvent(
      bytesOf({ type: 'order.placed', total_amount: '-1', data: {} }),
      RULES,
    );
    assert.ok(!parsed.ok);
    const ofAmount = parsed.errors.find(({ loc }) => loc.includes('total_amount'));
    assert.equal(ofAmount?.input, '-1');
    const list = { type: 'array', items: { type: 'string' } };
    const ofJson = { type: 'object', properties: { a: list } };
    for (const data of [z.object({ a: z.array(z.string()) }), ofJson]) {
      const known = rulesOf({ t: { data } }).declared?.types.get('t');
      assert.equal(known?.check(1, { a: Array(1000).fill(1) }).length, 100);
    }
  });

  it('are unknown members to a deployment that declares none, but keep their id and order [G4] [G5]', () => {
    const body = bytesOf({ type: 'order.refunded', total_amount: -5, version: 1 });
    const undeclared = parseEvent(body, UNDECLARED);
    assert.ok(!undeclared.ok);
    assert.deepEqual(
      undeclared.errors.map(({ loc, type }) => `${loc.join('.')} ${type}`),
      [
        'body.total_amount greater_than',
        'body.type extra_forbidden',
        'body.version extra_forbidden',
      ],
    );
    assert.equal(undeclared.unfit?.reason, 'unknown_type');
    const known = eventOf(body);
    assert.equal(digestOf(undeclared.unfit.event), digestOf(known));
    const invalid = parseEvent(bytesOf({ type: 'order.refunded', x: 1 }), UNDECLARED);
    assert.ok(!invalid.ok && invalid.unfit === undefined);
  });

  it('are the five fields of today, with the same errors, to a deployment that declares none', () => {
    const errorsOfUntyped = (parts: object) => errorsOf(bytesOf(parts), UNDECLARED);
    const forbidden = 'body.type extra_forbidden';
    for (const total_amount of [-5, 0, 'x', undefined, '1.23456']) {
      assert.deepEqual(
        errorsOfUntyped({ total_amount, type: 't' }).sort(),
        [...errorsOfUntyped({ total_amount }), forbidden].sort(),
      );
    }
    const absent = parseEvent(bytesOf({ total_amount: undefined, type: 't' }), UNDECLARED);
    assert.ok(!absent.ok && absent.unfit?.event.totalAmount === null);
  });

  it('are refused for their amount as their type has it', () => {
    const amountOf = (type: string, total_amount: unknown) =>
      errorsOf(bytesOf({ type, total_amount, data: { currency: 'EUR' } }))[0];
    assert.equal(amountOf('order.placed', 0), 'body.total_amount greater_than');
    assert.equal(amountOf('order.placed', '-0.00'), 'body.total_amount greater_than');
    for (const amount of [0, null, 'x', '5']) {
      assert.equal(amountOf('order.cancelled', amount), 'body.total_amount extra_forbidden');
    }
  });

  it('keep id and order if their data is wrong in any deployment, with all errors [G5]', () => {
    const data = '{"currency":5,"x":1e400,"x":"\\u0000"}';
    const body = (from: object) =>
      `${JSON.stringify({ ...BASE, ...from }).slice(0, -1)},"data":${data}}`;
    const parsed = parseEvent(Buffer.from(body({ type: 'order.placed', total_amount: -1 })), RULES);
    assert.ok(!parsed.ok);
    assert.deepEqual(
      parsed.errors.map(({ loc, type }) => `${loc.slice(1).join('.')} ${type}`),
      [
        'total_amount greater_than',
        'data.x number_not_exact',
        'data.x string_unicode',
        'data.x duplicate_key',
        'data.currency value_error',
      ],
    );
    const { reason, event } = parsed.unfit ?? {};
    assert.deepEqual(
      [reason, event?.orderId, JSON.parse(event?.data ?? '')],
      ['invalid_data', BASE.order_id, data],
    );
    for (const version of ['1', 0, 1.5]) {
      const wrong = parseEvent(bytesOf({ type: 'order.refunded', version }), RULES);
      assert.ok(!wrong.ok && wrong.unfit === undefined);
    }
    const unknown = parseEvent(Buffer.from(body({ type: 'late' })), RULES);
    assert.equal(!unknown.ok && unknown.unfit?.reason, 'unknown_type');
    const many = `{"a":[${Array(100).fill('1e999').join()}],"b":${'['.repeat(6000)}${']'.repeat(6000)}}`;
    const closed = rulesOf({ t: { data: z.strictObject({}) } });
    const hidden = `${JSON.stringify({ ...BASE, type: 't' }).slice(0, -1)},"data":${many}}`;
    assert.equal(errorsOf(hidden, closed).length, 100);
    const nested = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
    const deep = `${JSON.stringify({ ...BASE, type: 'order.placed' }).slice(0, -1)},"data":${nested}}`;
    assert.deepEqual(errorsOf(deep), [
      `body.data.${Array(31).fill(0).join('.')}.0 nesting_too_deep`,
    ]);
  });

  it('whose version is not said keep that unsaid, and may write it with decimals', () => {
    const unknown = parseEvent(bytesOf({ type: 'late' }), RULES);
    assert.ok(!unknown.ok);
    assert.deepEqual([unknown.unfit?.type, unknown.unfit?.version], ['late', null]);
    const said = bytesOf({ type: 'order.refunded' }).toString().replace('}', ',"version":1.0}');
    assert.equal(eventOf(said).version, 1);
  });

  it('may be required', () => {
    const rules = rulesOf({ t: {} }, { untyped: 'refuse' });
    assert.deepEqual(errorsOf(bytesOf({}), rules), ['body.type missing']);
    assert.deepEqual(errorsOf(bytesOf({ type: 't' }), rules), []);
  });

  it('are described with references that lead to where the schema is placed', () => {
    const line = { type: 'object', properties: { of: { $ref: '#/$defs/line' } } };
    const data = {
      type: 'object',
      properties: { line: { $ref: '#/$defs/line' } },
      $defs: { line },
    };
    const { declared } = rulesOf({ t: { data } });
    const at = '#/components/schemas/Event';
    const root = { components: { schemas: { Event: eventSchemaOf(declared, at) } } };
    const text = JSON.stringify(root);
    const refs = [...text.matchAll(/"\$ref":"#([^"]*)"/g)].map(([, pointer]) => pointer as string);
    assert.equal(refs.length, 2);
    for (const pointer of refs) {
      const found = pointer
        .split('/')
        .slice(1)
        .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], root);
      assert.equal((found as { type: string }).type, 'object', pointer);
    }
  });

  it('are described by one alternative for each type', () => {
    const schema = eventSchemaOf(RULES.declared) as { oneOf: { title: string }[] };
    assert.deepEqual(
      schema.oneOf.map(({ title }) => title),
      ['untyped', 'order.placed', 'order.cancelled', 'order.refunded'],
    );
  });
});

it('What the API accepts of a random declaration, the consumer accepts, equal, in one form', () => {
  let accepted = 0;
  fc.assert(
    fc.property(declarationsWith(1), ({ declaration, events }) => {
      const [{ data, total_amount }] = events as [(typeof events)[0]];
      const rules = rulesOf({ t: declaration });
      const body = bytesOf({ type: 't', data, total_amount });
      const parsed = parseEvent(body, rules);
      assert.deepEqual(parsed, parseAnyForm(body.toString(), rules));
      if (!parsed.ok) return;
      accepted++;
      const record = toCanonicalJson(parsed.event);
      assert.deepEqual(eventOf(record, rules), parsed.event);
      const reordered = Object.fromEntries(Object.entries(data).toReversed());
      const again = eventOf(
        bytesOf({ data: reordered, type: 't', version: 1, total_amount }),
        rules,
      );
      assert.equal(digestOf(again), digestOf(parsed.event));
      assert.equal(toCanonicalJson(again), record);
      assert.deepEqual(JSON.parse(parsed.event.data ?? ''), JSON.parse(JSON.stringify(data)));
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 500, `${accepted} accepted`);
});
