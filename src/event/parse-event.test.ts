import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EVENT_BYTES_DEFAULT, UNDECLARED } from './event-rules.ts';
import { digestOf, toCanonicalJson } from './order-event.ts';
import { parseEvent } from './parse-event.ts';

const VALID: Record<string, string> = {
  event_id: '"7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01"',
  order_id: '"0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f"',
  user_id: '"user-42"',
  total_amount: '99.95',
  timestamp: '"2026-01-02T03:04:05Z"',
};

/** A body made of JSON source texts, so that the parser gets each value exactly as written. */
function bodyOf(fields: Record<string, string>): Buffer {
  const members = Object.entries(fields).map(([key, source]) => `${JSON.stringify(key)}:${source}`);
  return Buffer.from(`{${members.join(',')}}`);
}

function parseWith(field: string, source: string) {
  return parseEvent(bodyOf({ ...VALID, [field]: source }), UNDECLARED);
}

function errorTypes(body: Buffer | string): string[] {
  const parsed = parseEvent(Buffer.from(body), UNDECLARED);
  return parsed.ok ? [] : parsed.errors.map((error) => `${error.loc.join('.')} ${error.type}`);
}

describe('parseEvent', () => {
  it('reads a valid event into its one spelling', () => {
    const parsed = parseEvent(bodyOf(VALID), UNDECLARED);
    assert.deepEqual(parsed, {
      ok: true,
      event: {
        eventId: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
        orderId: '0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f',
        userId: 'user-42',
        totalAmount: '99.9500',
        timestamp: '2026-01-02T03:04:05.000000Z',
      },
    });
  });

  it('names all that is wrong at once', () => {
    const body = '{"event_id":"x","total_amount":0,"extra":1,"user_id":""}';
    assert.deepEqual(errorTypes(body), [
      'body.event_id uuid_parsing',
      'body.total_amount greater_than',
      'body.extra extra_forbidden',
      'body.user_id string_too_short',
      'body.order_id missing',
      'body.timestamp missing',
    ]);
  });

  for (const [title, body] of Object.entries({
    'a byte order mark': Buffer.from(`\ufeff${bodyOf(VALID)}`),
    'invalid UTF-8': Buffer.concat([bodyOf(VALID), Buffer.from([0xff])]),
    'an overlong encoding': Buffer.from([0x22, 0xc0, 0xaf, 0x22]),
    'broken syntax': Buffer.from('{"event_id":'),
    NaN: bodyOf({ ...VALID, total_amount: 'NaN' }),
    'trailing text': Buffer.from(`${bodyOf(VALID)} {}`),
    'too many bytes': Buffer.alloc(EVENT_BYTES_DEFAULT + 1, ' '),
  })) {
    it(`refuses ${title} as json_invalid`, () => {
      assert.match(errorTypes(body)[0] ?? '', / json_invalid$/);
    });
  }

  it('refuses what is not an object, and an empty body', () => {
    for (const body of ['[]', '"x"', '1', 'null', 'true']) {
      assert.deepEqual(errorTypes(body), ['body model_attributes_type']);
    }
    assert.deepEqual(errorTypes(''), ['body missing']);
  });

  it('refuses a key given twice, even with equal values, and keys that pollute', () => {
    const twice = `{"event_id":${VALID.event_id},${bodyOf(VALID).toString().slice(1)}`;
    assert.deepEqual(errorTypes(twice), ['body.event_id duplicate_key']);
    const escaped = bodyOf(VALID).toString().replace('{', '{"\\u0065vent_id":"x",');
    assert.ok(errorTypes(escaped).includes('body.event_id duplicate_key'));
    const polluted = bodyOf(VALID).toString().replace('{', '{"__proto__":{"a":1},');
    assert.deepEqual(errorTypes(polluted), ['body.__proto__ extra_forbidden']);
    assert.equal(({} as { a?: unknown }).a, undefined);
  });

  it('survives deep nesting and thousands of unknown keys within its limits', () => {
    assert.deepEqual(
      errorTypes(bodyOf({ ...VALID, x: `${'['.repeat(20_000)}${']'.repeat(20_000)}` })),
      ['body.x extra_forbidden'],
    );
    const keys = Array.from({ length: 5000 }, (_, i) => [`k${i}`, '1']);
    assert.equal(errorTypes(bodyOf({ ...Object.fromEntries(keys), ...VALID })).length, 100);
  });

  it('echoes at most 200 characters of the input, numbers exactly as written', () => {
    const long = parseWith('event_id', `"${'x'.repeat(5000)}"`);
    assert.ok(!long.ok && String(long.errors[0]?.input).length <= 200);
    const infinite = parseWith('total_amount', '1e400');
    assert.ok(!infinite.ok && JSON.stringify(infinite.errors).includes('"input":1e400'));
  });

  it('keeps a readable event_id of an invalid event as a hint only', () => {
    const parsed = parseWith('total_amount', '-1');
    assert.ok(!parsed.ok && parsed.eventIdHint === '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01');
  });

  it('never throws, whatever the bytes [G8]', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => void parseEvent(Buffer.from(bytes), UNDECLARED),
      ),
    );
    fc.assert(fc.property(fc.json(), (json) => void parseEvent(Buffer.from(json), UNDECLARED)));
  });

  it('takes its own canonical form unchanged [G8]', () => {
    const event = fc.record({
      event_id: fc.uuid(),
      order_id: fc.uuid(),
      user_id: fc
        .string({ unit: 'binary', minLength: 1, maxLength: 255 })
        .filter((s) => !s.includes('\0')),
      total_amount: fc.integer({ min: 1, max: 2 ** 40 }).map((n) => (n / 100).toFixed(2)),
      timestamp: fc
        .date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })
        .map((date) => date.toISOString()),
    });
    fc.assert(
      fc.property(event, (fields) => {
        const parsed = parseEvent(Buffer.from(JSON.stringify(fields)), UNDECLARED);
        assert.ok(parsed.ok, JSON.stringify(parsed));
        const again = parseEvent(Buffer.from(toCanonicalJson(parsed.event)), UNDECLARED);
        assert.deepEqual(again, parsed);
      }),
    );
  });
});

describe('digestOf', () => {
  it('never changes: stored digests outlive releases', () => {
    const parsed = parseEvent(bodyOf(VALID), UNDECLARED);
    assert.ok(parsed.ok);
    assert.equal(
      digestOf(parsed.event),
      'ff75ca62c72f2c94c30e4514d0321212238d8f6d5c7fea36e6f4847fc0973316',
    );
    assert.equal(
      toCanonicalJson(parsed.event),
      '{"event_id":"7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01",' +
        '"order_id":"0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5f","user_id":"user-42",' +
        '"total_amount":"99.9500","timestamp":"2026-01-02T03:04:05.000000Z"}',
    );
  });

  it('is one for all spellings of one payload [G4]', () => {
    const spellings: [string, string][] = [
      ['total_amount', '99.950'],
      ['total_amount', '"99.95"'],
      ['total_amount', '"0099.9500"'],
      ['timestamp', '"2026-01-02T05:04:05+02:00"'],
      ['timestamp', '"2026-01-02t03:04:05.0000004z"'],
      ['timestamp', '"2026-01-02 05:04:05,0 +0200[Europe/Paris]"'],
      ['event_id', '"7D1F5A1C-6C2E-4B8E-9A53-2F0B1F3F0A01"'],
      ['user_id', '"\\u0075ser-42"'],
    ];
    const digests = spellings.map(([field, source]) => {
      const parsed = parseWith(field, source);
      assert.ok(parsed.ok, source);
      return digestOf(parsed.event);
    });
    assert.equal(new Set(digests).size, 1);
  });

  it('differs for any other payload', () => {
    const others: [string, string][] = [
      ['total_amount', '99.9501'],
      ['timestamp', '"2026-01-02T03:04:05.000001Z"'],
      ['user_id', '"user-43"'],
      ['order_id', '"0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e50"'],
    ];
    const digests = [
      VALID,
      ...others.map(([field, source]) => ({ ...VALID, [field]: source })),
    ].map((fields) => {
      const parsed = parseEvent(bodyOf(fields), UNDECLARED);
      assert.ok(parsed.ok);
      return digestOf(parsed.event);
    });
    assert.equal(new Set(digests).size, digests.length);
  });
});
