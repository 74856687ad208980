/** A shop that declares its events: placed, cancelled and refunded orders. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { z } from 'zod';
import { compileEvents } from '../../src/event/declared-events.ts';
import { UNDECLARED } from '../../src/event/event-rules.ts';
import { defineEvents } from '../../src/handlers/define-events.ts';
import type { RecordRules } from '../../src/log/decode-hook.ts';
import { USUAL_MODEL } from '../../src/store/event-model.ts';
import { migrate } from '../../src/store/migrate.ts';
import { verify } from '../../src/verify/verify.ts';
import { setUpHeart } from './heart.ts';

/** The events of the contract's example. */
export const EVENTS = defineEvents(
  {
    'order.placed': {
      data: z.object({
        currency: z.string().regex(/^[A-Z]{3}$/),
        lines: z
          .array(
            z.object({ sku: z.string(), quantity: z.int().positive(), unit_price: z.string() }),
          )
          .max(500),
      }),
    },
    'order.cancelled': {
      amount: 'none',
      data: {
        type: 'object',
        properties: { reason: { type: 'string', maxLength: 200 } },
        required: ['reason'],
        additionalProperties: false,
      },
    },
    'order.refunded': {
      amount: 'signed',
      version: 2,
      data: z.object({ refund_of: z.uuid(), currency: z.string().length(3) }),
      upgrade: { 1: (old) => ({ ...old, currency: 'EUR' }) },
    },
  },
  { ids: { event: 'stripe', order: 'shopify' } },
);
export const DECLARED = compileEvents(EVENTS);
export const RULES = { ...UNDECLARED, declared: DECLARED };

/** An event of the type order.placed. */
export function placed(parts: object = {}) {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-1',
    total_amount: '10.50',
    timestamp: '2026-01-02T03:04:05Z',
    type: 'order.placed',
    data: { lines: [{ sku: 'a', quantity: 2, unit_price: '5.25' }], currency: 'EUR' },
    ...parts,
  };
}

/** A refund of five. */
export const refunded = (parts: object = {}) =>
  placed({
    type: 'order.refunded',
    total_amount: -5,
    data: { refund_of: randomUUID(), currency: 'EUR' },
    ...parts,
  });

/** A database that knows these types, and its proof. */
export async function setUpTyped(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  await migrate(pool, { declared: DECLARED });
  const typed = { ...context, rules: RULES };
  const verified = (rules: RecordRules = RULES) =>
    verify(pool, {
      topic: 'order_events',
      receipts: null,
      handlers: [],
      reader: null,
      onStep: () => {},
      ...USUAL_MODEL,
      rules,
    });
  const prove = async (rules = RULES) => {
    const verdict = await verified(rules);
    assert.deepEqual([...verdict.offsets, ...verdict.rows], []);
    assert.equal(verdict.isProven, true);
  };
  return { pool, context, typed, verified, prove };
}
