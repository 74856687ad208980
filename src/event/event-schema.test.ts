/** The schema of an event accepts and refuses what the validator does. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UNDECLARED } from './event-rules.ts';
import { EVENT_EXAMPLE } from './event-schema.ts';
import { AMOUNT_SCHEMA } from './field-schemas.ts';
import { parseEvent } from './parse-event.ts';

const isValid = (fields: object) =>
  parseEvent(Buffer.from(JSON.stringify({ ...EVENT_EXAMPLE, ...fields })), UNDECLARED).ok;

describe('The schema of an event', () => {
  const [, text] = AMOUNT_SCHEMA.oneOf;

  it('agrees with the validator about amounts as strings', () => {
    const amounts = [
      '0',
      '0.0',
      '00',
      '000.0000',
      '1',
      '01',
      '0.1',
      '0.0001',
      '0.00010',
      '0.00001',
    ];
    amounts.push('', '.5', '5.', '-1', '+1', '1e3', ' 1', '99999999999999.9999', '100000000000000');
    amounts.push('0000099999999999999', '00.0100', '0.0', '1.00000', '٣');
    for (const amount of amounts) {
      const isAllowed = new RegExp(text.pattern).test(amount);
      assert.equal(isAllowed, isValid({ total_amount: amount }), JSON.stringify(amount));
    }
  });
});
