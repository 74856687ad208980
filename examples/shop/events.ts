/**
 * The events of a shop, declared once: what is accepted, what handlers get, what clients may send, and
 * the columns of the views are derived from it. See README.md beside this file.
 */
import { defineEvents } from 'orderonce/events';
import { z } from 'zod';

const sku = z.string().min(1).max(64);
const quantity = z.int().positive().max(10_000);
const currency = z.string().regex(/^[A-Z]{3}$/);
// Prices are text: a double would not hold each of them exactly.
const price = z.string().regex(/^\d{1,9}(\.\d{1,4})?$/);

export default defineEvents(
  {
    'order.placed': {
      data: z.object({
        currency,
        lines: z
          .array(z.object({ sku, quantity, unit_price: price }))
          .min(1)
          .max(500),
      }),
    },
    'order.paid': {
      data: z.object({ currency, method: z.enum(['card', 'transfer', 'invoice']) }),
    },
    'order.shipped': {
      amount: 'none',
      data: z.object({
        lines: z.array(z.object({ sku, quantity })).min(1).max(500),
        tracking: z.string().max(100).optional(),
      }),
    },
    // A plain JSON Schema does as well.
    'order.cancelled': {
      amount: 'none',
      data: {
        type: 'object',
        properties: { reason: { type: 'string', maxLength: 200 } },
        required: ['reason'],
        additionalProperties: false,
      },
    },
    // Version 1 had no currency, because the shop sold in euros only.
    'order.refunded': {
      amount: 'signed',
      version: 2,
      data: z.object({ currency, refund_of: z.string().max(200) }),
      upgrade: { 1: (old) => ({ ...old, currency: 'EUR' }) },
    },
  },
  { untyped: 'refuse', ids: { event: 'example-shop', order: 'example-shop' } },
);
