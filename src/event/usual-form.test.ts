import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UNDECLARED } from './event-rules.ts';
import { toCanonicalJson } from './order-event.ts';
import { parseAnyForm } from './parse-event.ts';
import { parseUsualForm } from './usual-form.ts';

const twoDigits = (max: number) =>
  fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));

/** The usual form, often with an invalid value: month 13, amount 0, a control character. */
const text = fc
  .record({
    eventId: fc.uuid(),
    orderId: fc.oneof(fc.uuid(), fc.constant('00000000-0000-0000-0000-000000000000')),
    userId: fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }) },
      fc.string({ unit: 'binary', maxLength: 258 }),
      fc.constantFrom('x'.repeat(255), 'x'.repeat(256)),
    ),
    integer: fc.oneof(
      { weight: 3, arbitrary: fc.nat({ max: 2_000_000_000 }).map(String) },
      fc.constantFrom('0', '00', '07'),
    ),
    extraDigits: fc.constantFrom('', '', '', '0000', '00000'),
    decimals: fc.oneof(
      fc.integer({ min: 0, max: 9999 }).map((n) => `.${String(n).padStart(4, '0')}`),
      fc.constantFrom('', '.0', '.5', '.05', '.999'),
      fc.constantFrom('.', '.99999', 'e2', '.0000'),
    ),
    quote: fc.constantFrom('"', ''),
    year: fc.constantFrom('1969', '1970', '1999', '2023', '2024', '2100', '9999', '10000'),
    month: fc.oneof(twoDigits(12), fc.constantFrom('02', '04', '13')),
    day: fc.oneof(twoDigits(28), fc.constantFrom('29', '30', '31', '32')),
    time: fc
      .tuple(twoDigits(24), twoDigits(59), fc.oneof(twoDigits(59), fc.constant('60')))
      .map((parts) => parts.join(':')),
    zone: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('.000000Z', '.123Z', 'Z', '.1Z') },
      fc.constantFrom('.Z', '.1234567Z', ',1Z', '+00:00', '+00', ' UTC', ''),
    ),
    space: fc.constantFrom('', '', ' ', ' ', '  '),
  })
  .map(({ space, ...e }) => {
    const members = [
      ['event_id', JSON.stringify(e.eventId)],
      ['order_id', JSON.stringify(e.orderId)],
      ['user_id', JSON.stringify(e.userId)],
      ['total_amount', `${e.quote}${e.integer}${e.extraDigits}${e.decimals}${e.quote}`],
      ['timestamp', `"${e.year}-${e.month}-${e.day}T${e.time}${e.zone}"`],
    ];
    return `{${members.map(([name, value]) => `"${name}":${space}${value}`).join(`,${space}`)}}`;
  });

/** Replaces or removes one character. */
const mutated = fc
  .tuple(
    text,
    fc.nat(),
    fc.constantFrom('', '"', '\\\\', ',', '0', '1', 'a', 'A', ' ', '\u0000', '\ud800'),
  )
  .map(
    ([json, at, char]) =>
      json.slice(0, at % json.length) + char + json.slice((at % json.length) + 1),
  );

describe('parseUsualForm', () => {
  it('says only what the parser for every form says, of whatever text [G8]', () => {
    let matches = 0;
    fc.assert(
      fc.property(fc.oneof(text, mutated), (json) => {
        const event = parseUsualForm(json, null);
        if (event === null) return;
        matches++;
        assert.deepEqual(parseAnyForm(json, UNDECLARED), { ok: true, event });
      }),
      { numRuns: 20_000 },
    );
    assert.ok(matches > 300, `${matches} of 20000 matched`);
  });

  it('takes what our API writes, at every day but 29 February', () => {
    for (let day = 0; day < 366; day++) {
      const timestamp = `${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 19)}.000000Z`;
      const event = {
        eventId: crypto.randomUUID(),
        orderId: crypto.randomUUID(),
        userId: 'Zoë 北',
        totalAmount: '0.0001',
        timestamp,
      };
      const expected = timestamp.startsWith('2024-02-29') ? null : event;
      assert.deepEqual(parseUsualForm(toCanonicalJson(event), null), expected);
    }
  });

  it('takes what clients of JavaScript and Python write', () => {
    const [event_id, order_id] = [crypto.randomUUID(), crypto.randomUUID()];
    const head = `{"event_id": "${event_id}", "order_id": "${order_id}", "user_id": "u", `;
    const python = `${head}"total_amount": 99.95, "timestamp": "2026-01-02T03:04:05Z"}`;
    const javascript = JSON.stringify({
      event_id,
      order_id,
      user_id: 'u',
      total_amount: 99.95,
      timestamp: '2026-01-02T03:04:05.000Z',
    });
    for (const json of [python, javascript]) {
      const event = parseUsualForm(json, null);
      assert.deepEqual(
        [event?.totalAmount, event?.timestamp],
        ['99.9500', '2026-01-02T03:04:05.000000Z'],
      );
    }
  });
});
