import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FieldVerdict } from './field-error.ts';
import { checkAmount, checkTimestamp, checkUserId, checkUuid } from './fields.ts';

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
    checkTimestamp(`"2026-01-02T03:04:05.${'1'.repeat(60_000)}x"`);
    assert.ok(performance.now() - started < 1000);
  });
});

describe('checkTimestamp', () => {
  holds(checkTimestamp, {
    '"2026-01-02T03:04:05Z"': '2026-01-02T03:04:05.000000Z',
    '"2026-01-02T03:04:05.1234569Z"': '2026-01-02T03:04:05.123456Z',
    '"2026-01-02T03:04:05+05:30"': '2026-01-01T21:34:05.000000Z',
    '"2026-01-02T03:04:05-00:00"': '2026-01-02T03:04:05.000000Z',
    '"2024-02-29T00:00:00Z"': '2024-02-29T00:00:00.000000Z',
    '"2000-02-29T00:00:00Z"': '2000-02-29T00:00:00.000000Z',
    '"1970-01-01T00:00:00Z"': '1970-01-01T00:00:00.000000Z',
    '"1969-12-31T23:59:59-01:00"': '1970-01-01T00:59:59.000000Z',
    '"9999-12-31T23:59:59.999999Z"': '9999-12-31T23:59:59.999999Z',
    '"1970-01-01T00:00:00+00:01"': '<datetime_parsing>',
    '"9999-12-31T23:59:59-00:01"': '<datetime_parsing>',
    '"0001-01-01T00:00:00Z"': '<datetime_parsing>',
    '"0070-01-01T00:00:00Z"': '<datetime_parsing>',
    '"2023-02-29T00:00:00Z"': '<datetime_parsing>',
    '"2026-02-30T00:00:00Z"': '<datetime_parsing>',
    '"2026-13-01T00:00:00Z"': '<datetime_parsing>',
    '"2026-00-01T00:00:00Z"': '<datetime_parsing>',
    '"2026-01-02T24:00:00Z"': '<datetime_parsing>',
    '"2026-12-31T23:59:60Z"': '<datetime_parsing>',
    '"2026-01-02T03:04:05+24:00"': '<datetime_parsing>',
    '"2026-01-02T03:04:05"': '<timezone_aware>',
    '"2026-01-02"': '<datetime_parsing>',
    '"2026-01-02 03:04:05Z"': '<datetime_parsing>',
    '"+010000-01-01T00:00:00Z"': '<datetime_parsing>',
    '"infinity"': '<datetime_parsing>',
    '"now"': '<datetime_parsing>',
    '"1698400800"': '<datetime_parsing>',
    '1698400800': '<datetime_type>',
    null: '<datetime_type>',
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
