import assert from 'node:assert/strict';
import { it } from 'node:test';
import { areHeaders, headersOf } from './otlp-headers.ts';
import { readSettings } from './settings.ts';

it('headers for the collector are pairs with percent-encoded values', () => {
  assert.deepEqual(headersOf('api-key=a%20b, x=1,,y='), { 'api-key': 'a b', x: '1', y: '' });
  for (const text of ['', 'name', '=x', 'a=b c', 'a=%zz', 'a=1,b']) {
    assert.equal(areHeaders(text), false, text);
  }
});

it('a value of them that is not valid is not quoted', () => {
  const given = { OTEL_EXPORTER_OTLP_HEADERS: 'my secret' };
  assert.throws(() => readSettings(given), /OTEL_EXPORTER_OTLP_HEADERS must look like name=value/);
  assert.throws(
    () => readSettings(given),
    (error: Error) => !error.message.includes('my secret'),
  );
});

it('the share of traces is a number from 0 to 1', () => {
  assert.equal(readSettings({}).OTEL_TRACES_SAMPLER_ARG, 0.01);
  assert.equal(readSettings({ OTEL_TRACES_SAMPLER_ARG: '.5' }).OTEL_TRACES_SAMPLER_ARG, 0.5);
  for (const text of ['2', '-1', 'half', '1e-3', '0x1', '.']) {
    assert.throws(() => readSettings({ OTEL_TRACES_SAMPLER_ARG: text }), /a number from 0 to 1/);
  }
});
