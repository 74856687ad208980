/** The schema of an event accepts and refuses what the validator does. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UNDECLARED } from './event-rules.ts';
import { EVENT_EXAMPLE } from './event-schema.ts';
import { AMOUNT_SCHEMA, TIMESTAMP_SCHEMA } from './field-schemas.ts';
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

  it('agrees with the validator about the days of all years, and about times', () => {
    const pattern = new RegExp(TIMESTAMP_SCHEMA.pattern);
    const times = ['2026-01-02t03:04:05z', '2026-01-02T23:59:60Z', '2026-01-02T24:00:00Z'];
    times.push('2026-01-02T03:04:05', '2026-01-02 03:04:05Z', '2026-01-02T03:04:05.Z', '');
    times.push('2026-01-02T03:04:05.1234567890+23:59', '2026-01-02T03:04:05+24:00');
    for (const year of ['1969', '1970', '1972', '1999', '2000', '2100', '2400', '9996', '9999']) {
      for (const day of ['00-10', '13-01', '01-31', '02-28', '02-29', '04-30', '04-31', '12-32'])
        times.push(`${year}-${day}T00:00:00Z`);
    }
    for (const timestamp of times) {
      assert.equal(pattern.test(timestamp), isValid({ timestamp }), timestamp);
    }
  });
});
