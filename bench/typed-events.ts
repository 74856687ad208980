/** The types of the benchmark of typed events, as EVENTS_MODULE. The data of an event is about 1 KiB. */
import { defineEvents } from '../src/handlers/define-events.ts';

const line = {
  type: 'object',
  properties: {
    sku: { type: 'string', maxLength: 40 },
    name: { type: 'string', maxLength: 100 },
    quantity: { type: 'integer', minimum: 1 },
    unit_price: { type: 'string', pattern: '^[0-9]+\\.[0-9]{2}$' },
  },
  required: ['sku', 'name', 'quantity', 'unit_price'],
  additionalProperties: false,
};

export default defineEvents({
  'order.placed': {
    data: {
      type: 'object',
      properties: {
        currency: { type: 'string', pattern: '^[A-Z]{3}$' },
        lines: { type: 'array', items: line, maxItems: 500 },
      },
      required: ['currency', 'lines'],
      additionalProperties: false,
    },
  },
});
