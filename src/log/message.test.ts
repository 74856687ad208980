import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RECORD_BYTES_MAX } from './event-log.ts';
import {
  type EmittedMessage,
  messageIdOf,
  SHARDS,
  shardOf,
  whyUnpublishable,
  withTrace,
} from './message.ts';

const MESSAGE: EmittedMessage = {
  eventId: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01',
  handler: 'charge',
  n: 0,
  topic: 'charges',
  key: Buffer.from('k'),
  value: null,
  headers: {},
};

describe('messageIdOf', () => {
  it('is a UUID version 5 in the namespace of the event, as other tools compute it', () => {
    // Computed with Python's uuid.uuid5. The ids must not change between releases.
    assert.equal(messageIdOf(MESSAGE), 'ac146a42-6814-5d68-969e-de6cd4cd0ab2');
    assert.equal(messageIdOf({ ...MESSAGE, n: 1 }), '21141bfd-a4cb-5d17-b291-67b078ff3427');
  });

  it('depends on event, handler and n alone', () => {
    const other = { ...MESSAGE, topic: 'x', value: Buffer.from('y') };
    assert.equal(messageIdOf(other), messageIdOf(MESSAGE));
    assert.notEqual(messageIdOf({ ...MESSAGE, handler: 'reserve' }), messageIdOf(MESSAGE));
  });
});

describe('shardOf', () => {
  it('gives every shard its keys, and one key always the same', () => {
    const keys = Array.from({ length: 500 }, (_, i) => Buffer.from(`key-${i}`));
    assert.deepEqual(new Set(keys.map(shardOf)).size, SHARDS);
    assert.equal(shardOf(Buffer.from('key-1')), shardOf(Buffer.from('key-1')));
  });
});

describe('withTrace', () => {
  const message = { topic: 'charges', key: 'k', value: '{}', headers: { a: 'b' } };
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const trace = { traceparent, tracestate: 'x=1' };

  it('adds the trace to the headers', () => {
    assert.equal(withTrace(message, undefined), message);
    assert.deepEqual(withTrace(message, trace).headers, { a: 'b', traceparent, tracestate: 'x=1' });
    const alone = withTrace(message, { traceparent, tracestate: null });
    assert.deepEqual(alone.headers, { a: 'b', traceparent });
  });

  it('leaves alone a message with a trace of its own, and one that would become too large', () => {
    const own = { ...message, headers: { traceparent: 'own' } };
    assert.equal(withTrace(own, trace), own);
    const large = { ...message, value: 'x'.repeat(RECORD_BYTES_MAX - 20) };
    assert.equal(whyUnpublishable(large), null);
    assert.equal(withTrace(large, trace), large);
  });
});

describe('whyUnpublishable', () => {
  it('lets through what a topic takes, and says what it does not', () => {
    const message = { topic: 'charges', key: 'k', value: '{}' };
    assert.equal(whyUnpublishable({ ...message, value: null, headers: { a: 'b' } }), null);
    assert.match(
      whyUnpublishable({ ...message, topic: 'no topic' }) ?? '',
      /not a valid topic name/,
    );
    assert.match(whyUnpublishable({ ...message, value: 'x'.repeat(2 << 20) }) ?? '', /bytes/);
  });
});
