/** G8: PostgreSQL stores every value that the API accepts, equal to the last digit. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { recordOf } from '../../test/support/events.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { UNDECLARED } from './event-rules.ts';
import { type OrderEvent, toCanonicalJson } from './order-event.ts';
import { parseEvent } from './parse-event.ts';

const digits = (max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max })
    .map((list) => list.join(''));

const amount = fc
  .tuple(digits(16), fc.option(digits(5)), fc.boolean())
  .map(([integer, decimals, isString]) => {
    const text = decimals === null ? integer : `${integer}.${decimals}`;
    return isString ? `"${text}"` : text.replace(/^0+(?=\d)/, '');
  });

const twoDigits = (min: number, max: number) =>
  fc.integer({ min, max }).map((n) => String(n).padStart(2, '0'));

const timestamp = fc
  .record({
    year: fc.oneof(fc.integer({ min: 1969, max: 2100 }), fc.constantFrom(1970, 9999, 10_000, 0)),
    month: twoDigits(0, 13),
    day: twoDigits(0, 32),
    hour: twoDigits(0, 24),
    minute: twoDigits(0, 60),
    second: twoDigits(0, 60),
    fraction: fc.option(digits(9)),
    zone: fc.oneof(
      fc.constantFrom('Z', 'z', '', '+00:00', '-00:00', '+23:59', '-23:59', '+24:00'),
      fc.constantFrom(
        ' UTC',
        '+02',
        '-0930',
        ' +0530',
        '-00:44:30',
        'Z[UTC]',
        '+01:00[Europe/Rome]',
      ),
      fc.tuple(twoDigits(0, 23), twoDigits(0, 59)).map(([h, m]) => `+${h}:${m}`),
    ),
    between: fc.constantFrom('T', 't', ' '),
    point: fc.constantFrom('.', ','),
    hasSeconds: fc.boolean(),
  })
  .map((t) => {
    const date = `${String(t.year).padStart(4, '0')}-${t.month}-${t.day}`;
    const fraction = t.fraction === null ? '' : t.point + t.fraction;
    const seconds = t.hasSeconds ? `:${t.second}${fraction}` : '';
    return `"${date}${t.between}${t.hour}:${t.minute}${seconds}${t.zone}"`;
  });

/** Any string, lone surrogates and NUL included, in one of the ways that JSON can write it. */
const userId = fc
  .tuple(
    fc.string({ unit: 'binary', maxLength: 260 }),
    fc.boolean(),
    fc.constantFrom('', '\ud800', '\0'),
  )
  .map(([text, isEscaped, extra]) => {
    const json = JSON.stringify(text + extra);
    return isEscaped
      ? json.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : json;
  });

const body = fc
  .record({
    event_id: fc.uuid().map((id) => `"${id}"`),
    order_id: fc.uuid().map((id) => `"${id.toUpperCase()}"`),
    user_id: userId,
    total_amount: amount,
    timestamp,
  })
  .map((fields) =>
    Buffer.from(
      `{${Object.entries(fields)
        .map(([k, v]) => `"${k}":${v}`)
        .join(',')}}`,
    ),
  );

it('PostgreSQL stores whatever the API accepts, equal to the last digit [G8]', async (t) => {
  const { pool, context } = await setUpHeart(t, 1);
  let next = 0;
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(body, { minLength: 200, maxLength: 200 }), async (bodies) => {
      const events = bodies
        .map((bytes) => parseEvent(bytes, UNDECLARED))
        .flatMap((parsed): OrderEvent[] => (parsed.ok ? [parsed.event] : []));
      const records = events.map((event, i) => recordOf(next + i, toCanonicalJson(event)));
      const slice = { partition: 0, from: next, next: next + events.length, leaderEpoch: 0 };
      const outcome = await processBatch(context, { ...slice, records, gaps: [] });
      next = slice.next;
      accepted += events.length;
      assert.deepEqual(outcome.deadLetters, []);
      const { rows } = await pool.query<OrderEvent>(
        `SELECT event_id AS "eventId", order_id AS "orderId", user_id AS "userId",
                total_amount::text AS "totalAmount",
                to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp
           FROM processed_events WHERE log_offset >= $1 ORDER BY log_offset`,
        [slice.from],
      );
      assert.deepEqual(rows, events);
    }),
    { numRuns: 30 },
  );
  assert.ok(accepted > 300, `only ${accepted} were accepted: the generator is too wild`);
});
