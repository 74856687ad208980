import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { LogRecord } from './event-log.ts';
import { logRecord, type RecordParts, slimRecord } from './log-record.ts';
import { RequestIds, requestIdHeader } from './request-id.ts';
import { traceHeaders } from './trace-context.ts';

const id = new RequestIds().next();
const buffer = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const part = fc.option(buffer);
const ours = fc.constant(requestIdHeader(id));
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const ofTrace = fc.constantFrom(
  ...traceHeaders({ traceparent, tracestate: 'a=1' }),
  ...traceHeaders({ traceparent: traceparent.toUpperCase(), tracestate: ' a=1' }),
);
const header = fc.oneof(fc.tuple(part, part), ours, ofTrace);
const parts: fc.Arbitrary<RecordParts> = fc.record({
  partition: fc.nat(),
  offset: fc.maxSafeNat(),
  key: part,
  value: part,
  headers: fc.oneof(
    fc.array(header, { maxLength: 3 }),
    ours.map((one) => [one]),
    fc.array(ofTrace, { minLength: 1, maxLength: 2 }).map((some) => [requestIdHeader(id), ...some]),
  ),
  appendedMs: fc.double(),
});

/** A plain copy: a slim record has getters, which deepEqual does not compare. */
function contentOf({ key, value, headers, trace, ...rest }: LogRecord) {
  const { partition, offset, appendedMs, bytes, requestId } = rest;
  return { partition, offset, key, value, headers, appendedMs, bytes, requestId, trace };
}

describe('slimRecord', () => {
  it('gives what was put in, whatever it is [G3]', () => {
    fc.assert(
      fc.property(parts, (given) => {
        assert.deepEqual(contentOf(slimRecord(given)), contentOf(logRecord(given)));
      }),
    );
  });

  it('keeps no Buffer of a record that our API wrote, with a trace or without', () => {
    const [key, value] = [Buffer.from('key'), Buffer.from('value')];
    const given = { partition: 0, offset: 1, key, value, appendedMs: 2 };
    const trace = { traceparent, tracestate: 'a=1' };
    for (const context of [null, { ...trace, tracestate: null }, trace]) {
      const headers = [requestIdHeader(id), ...traceHeaders(context)];
      const slim = slimRecord({ ...given, headers });
      // Each access gives a new Buffer over the same bytes.
      assert.notEqual(slim.value, slim.value);
      assert.notEqual(slim.key, slim.key);
      assert.equal(slim.value?.buffer, value.buffer);
      assert.deepEqual(slim.headers, headers);
      assert.deepEqual(slim.trace, context);
    }
  });
});

describe('logRecord', () => {
  it('counts the bytes of key, value and headers', () => {
    const headers = [requestIdHeader(id), [null, Buffer.from('12')]] as const;
    const given = { partition: 0, offset: 1, key: null, value: Buffer.from('345'), appendedMs: 2 };
    const named = headers[0].reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
    assert.equal(logRecord({ ...given, headers }).bytes, named + 2 + 3);
  });
});
