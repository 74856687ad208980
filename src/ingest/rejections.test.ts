import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { UNDECLARED } from '../event/event-rules.ts';
import { parseEvent } from '../event/parse-event.ts';
import { kindOf, REJECTIONS } from './rejections.ts';

it('every error of an event has labels that exist from the start', () => {
  const known = new Set(REJECTIONS.map(({ field, problem }) => `${field} ${problem}`));
  const names = ['event_id', 'order_id', 'user_id', 'total_amount', 'timestamp', 'body', 'other'];
  const value = fc.oneof(
    fc.jsonValue().map((json) => JSON.stringify(json)),
    fc.constantFrom(
      ...['""', '"\\u0000"', '"\\ud800"', `"${'x'.repeat(300)}"`, '-1', '1e3', '0.00001'],
      ...['123456789012345', '"2026-01-02T03:04:05"', '"2026-13-02T03:04:05Z"', '{}'],
    ),
  );
  const member = fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string()), value);
  const object = fc
    .array(member, { maxLength: 8 })
    .map((members) => `{${members.map(([key, of]) => `${JSON.stringify(key)}:${of}`).join(',')}}`);
  fc.assert(
    fc.property(fc.oneof(object, fc.string(), fc.json()), (text) => {
      const parsed = parseEvent(Buffer.from(text), UNDECLARED);
      for (const error of parsed.ok ? [] : parsed.errors) {
        const { field, problem } = kindOf(error);
        assert.ok(known.has(`${field} ${problem}`), `${field} ${problem}`);
      }
    }),
    { numRuns: 2000 },
  );
});
