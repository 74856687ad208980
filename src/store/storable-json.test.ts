import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storablePayload } from './storable-json.ts';

describe('storablePayload', () => {
  it('keeps payloads that JSON can hold, and the text of all others', () => {
    const payload = (text: string) => storablePayload(Buffer.from(text));
    const deep = (levels: number) => `{"data":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`;
    assert.deepEqual(payload(deep(32)), JSON.parse(deep(32)));
    assert.deepEqual(payload(deep(33)), { text: deep(33) });
    assert.deepEqual(payload('{"b":1,"a":[1.5,"x"]}'), { b: 1, a: [1.5, 'x'] });
    assert.deepEqual(payload('{"a":12345678901234.5678,"b":1,"a":1e400}'), { a: '1e400', b: 1 });
    assert.deepEqual(payload('{"a":"\\u0000\\ud800"}'), { a: '\ufffd\ufffd' });
    for (const text of [
      '[1]',
      '5',
      'null',
      '',
      '{',
      `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    ]) {
      assert.deepEqual(payload(text), { text });
    }
    assert.deepEqual(storablePayload(Buffer.from([0, 255])), { text: '\ufffd\ufffd' });
    assert.deepEqual(storablePayload(null), {});
  });
});
