import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FieldVerdict } from './field-error.ts';
import { checkAmount, checkUserId, checkUuid } from './fields.ts';

type Table = Record<string, string>;

/** Each source text with the value that it becomes, or the error type in angle brackets. */
function holds(check: (source: string) => FieldVerdict, table: Table) {
  for (const [source, expected] of Object.entries(table)) {
    it(`${source.slice(0, 60)} → ${expected.slice(0, 60)}`, () => {
      const verdict = check(source);
      assert.equal(verdict.ok ? verdict.value : `<${verdict.type}>`, expected);
    });
  }
}

describe('checkAmount', () => {
  holds(checkAmount, {
    '100.10': '100.1000',
    '"100.1"': '100.1000',
    '0.0001': '0.0001',
    '99999999999999.9999': '99999999999999.9999',
    '"99999999999999.9999"': '99999999999999.9999',
    '"000000000000000000001"': '1.0000',
    '9007199254740.993': '9007199254740.9930',
    '100000000000000': '<decimal_whole_digits>',
    '0.00001': '<decimal_max_places>',
    '1.00000': '<decimal_max_places>',
    '0': '<greater_than>',
    '0.0000': '<greater_than>',
    '-0.0': '<greater_than>',
    '-1': '<greater_than>',
    '"-5.5"': '<greater_than>',
    '1e2': '<decimal_parsing>',
    '1E400': '<decimal_parsing>',
    '"1e2"': '<decimal_parsing>',
    '"NaN"': '<decimal_parsing>',
    '"Infinity"': '<decimal_parsing>',
    '""': '<decimal_parsing>',
    '" 5"': '<decimal_parsing>',
    '"+5"': '<decimal_parsing>',
    '".5"': '<decimal_parsing>',
    '"5."': '<decimal_parsing>',
    '"1,5"': '<decimal_parsing>',
    '"١"': '<decimal_parsing>',
    true: '<decimal_type>',
    null: '<decimal_type>',
    '[1]': '<decimal_type>',
    '{}': '<decimal_type>',
  });

  it('takes linear time on a hostile string', () => {
    const started = performance.now();
    checkAmount(`"${'0'.repeat(60_000)}x"`);
    assert.ok(performance.now() - started < 1000);
  });
});

describe('checkUuid', () => {
  const uuid = '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01';
  holds(checkUuid, {
    [`"${uuid}"`]: uuid,
    [`"${uuid.toUpperCase()}"`]: uuid,
    '"00000000-0000-0000-0000-000000000000"': '00000000-0000-0000-0000-000000000000',
    [`"{${uuid}}"`]: '<uuid_parsing>',
    [`"urn:uuid:${uuid}"`]: '<uuid_parsing>',
    [`"${uuid.replaceAll('-', '')}"`]: '<uuid_parsing>',
    [`"${uuid} "`]: '<uuid_parsing>',
    [`"${uuid}\\n"`]: '<uuid_parsing>',
    '"x"': '<uuid_parsing>',
    '7': '<uuid_type>',
    null: '<uuid_type>',
  });
});

describe('checkUserId', () => {
  holds(checkUserId, {
    '" "': ' ',
    '"a\\nb"': 'a\nb',
    '"\\ud83d\\ude00"': '😀',
    [`"${'é'.repeat(255)}"`]: 'é'.repeat(255),
    [`"${'😀'.repeat(255)}"`]: '😀'.repeat(255),
    [`"${'😀'.repeat(256)}"`]: '<string_too_long>',
    '""': '<string_too_short>',
    '"a\\u0000b"': '<string_unicode>',
    '"\\ud800"': '<string_unicode>',
    '"\\udc00x"': '<string_unicode>',
    '123': '<string_type>',
    null: '<string_type>',
  });
});
