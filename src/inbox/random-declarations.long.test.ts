import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { count, setUpHeart } from '../../test/support/heart.ts';
import { declarationsWith } from '../../test/support/random-declarations.ts';
import { compileEvents } from '../event/declared-events.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import type { OrderEvent } from '../event/order-event.ts';
import { toCanonicalJson } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import { defineEvents } from '../handlers/define-events.ts';
import type { HandledEvent } from '../handlers/handler.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { migrate } from '../store/migrate.ts';
import { verify } from '../verify/verify.ts';
import { processBatch } from './process-batch.ts';

const ROUNDS = 50;
const TYPES = 200;
const EVENTS = 2;

/** Compiles the declarations, and lets the API judge the events of each. */
function acceptedOf(round: number, seed: number) {
  const drawn = fc.sample(declarationsWith(EVENTS), { numRuns: TYPES, seed: seed + round });
  const types = drawn.map(({ declaration }, n) => [`t${round}-${n}`, declaration] as const);
  const declared = compileEvents(defineEvents(Object.fromEntries(types)));
  const rules = { ...UNDECLARED, declared };
  const parsed = drawn.flatMap(({ events }, n) =>
    events.map((parts) => {
      const event = { ...wireEvent(), type: `t${round}-${n}`, ...parts };
      return parseEvent(Buffer.from(JSON.stringify(event)), rules);
    }),
  );
  return { rules, accepted: parsed.flatMap((one) => (one.ok ? [one.event] : [])) };
}

it('of 10,000 random declarations, what the API accepts is stored and handled, equal [G2] [G8]', async (t) => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const { pool, context } = await setUpHeart(t, 1);
  await migrate(pool, { declared: compileEvents(defineEvents({ t: {} })) });
  const handled = new Map<string, HandledEvent>();
  const handle = async (events: readonly HandledEvent[]) => {
    for (const event of events) handled.set(event.eventId, event);
  };
  const handlers = { ...context.handlers, handlers: [{ name: 'see', handle }] };
  let next = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { rules, accepted } = acceptedOf(round, seed);
    const slice = sliceOfEvents(next, accepted.map(toCanonicalJson));
    next = slice.next;
    const outcome = await processBatch({ ...context, rules, handlers }, slice);
    assert.deepEqual([outcome.stored, outcome.deadLetters], [accepted.length, []]);
    for (const event of accepted) assertHandled(event, handled.get(event.eventId));
    assert.deepEqual(await readData(pool, round), new Map(accepted.map(dataOf)));
  }
  assert.ok(next > 2000, `${next} accepted`);
  assert.equal(await count(pool, 'processed_events'), next);
  const verdict = await verify(pool, {
    ...{ topic: 'order_events', receipts: null, handlers: [], reader: null, onStep: () => {} },
    ...USUAL_MODEL,
  });
  assert.deepEqual([...verdict.offsets, ...verdict.rows], []);
});

const dataOf = ({ eventId, type, totalAmount, data }: OrderEvent) =>
  [eventId, [type, totalAmount, JSON.parse(data ?? 'null')]] as const;

function assertHandled(event: OrderEvent, seen: HandledEvent | undefined): void {
  assert.ok(seen, event.eventId);
  const { type, totalAmount, data } = seen;
  assert.deepEqual([event.eventId, [type, totalAmount, data]], dataOf(event));
}

async function readData(pool: Awaited<ReturnType<typeof setUpHeart>>['pool'], round: number) {
  const { rows } = await pool.query<{ id: string; type: string; amount: string; data: unknown }>(
    `SELECT event_id AS id, event_type AS type, total_amount::text AS amount, data
       FROM processed_events JOIN event_data USING (log_id, log_partition, log_offset)
      WHERE event_type LIKE $1`,
    [`t${round}-%`],
  );
  return new Map(rows.map(({ id, type, amount, data }) => [id, [type, amount, data]]));
}
