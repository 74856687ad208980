import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UNDECLARED } from '../event/event-rules.ts';
import { decodeInTurns, decodeSlice, decodeTopic } from '../log/decode-hook.ts';
import type { LogRecord, LogSlice } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import type { Decode, ForeignRecord } from './decode.ts';
import { guardedDecode, loadDecode } from './load-decode.ts';

const EVENT = {
  event_id: '0f9c2b64-1d3e-4a5f-8b7c-6d5e4f3a2b01',
  order_id: '7c0e6d3a-5b1f-4e29-9a44-1f0c2d3e4b5a',
  user_id: 'ann',
  total_amount: '1',
  timestamp: '2026-01-02T03:04:05Z',
};

function recordAt(offset: number, value = `${offset}`): LogRecord {
  const headers = [
    [Buffer.from('a'), Buffer.from('1')],
    [Buffer.from('a'), null],
  ] as const;
  const rest = { key: Buffer.from('k'), headers, appendedMs: 1000 + offset };
  return logRecord({ partition: 3, offset, value: Buffer.from(value), ...rest });
}

function sourceOf(decode: unknown, topic = 'theirs') {
  const hook = { topics: new Set(['theirs']), decode: guardedDecode(decode as Decode) };
  return { rules: { ...UNDECLARED, decode: hook }, topic };
}

/** Why the record is invalid; `event` or `ignored` if it is not. */
function judged(decode: unknown): string {
  const { events, invalid, ignored } = decodeTopic([recordAt(7)], sourceOf(decode));
  assert.equal(events.length + invalid.length + ignored.length, 1);
  if (ignored.length > 0) return 'ignored';
  const [refused] = invalid;
  if (refused === undefined) return 'event';
  const [error] = refused.errors;
  return `${refused.reason ?? 'invalid_event'}: ${error?.msg}`;
}

describe('A decode function', () => {
  it('gets a copy of the whole record, which it cannot use to change the record', () => {
    const record = recordAt(7);
    const seen: ForeignRecord[] = [];
    decodeTopic(
      [record],
      sourceOf((given: ForeignRecord) => {
        seen.push({ ...given, key: Buffer.from(given.key ?? '') });
        given.value?.fill(0);
        given.key?.fill(0);
        return null;
      }),
    );
    const [given] = seen;
    assert.deepEqual(
      { ...given, value: null },
      {
        topic: 'theirs',
        partition: 3,
        offset: 7,
        key: Buffer.from('k'),
        value: null,
        headers: [
          ['a', Buffer.from('1')],
          ['a', null],
        ],
        timestamp: 1007,
      },
    );
    assert.deepEqual([record.key, record.value], [Buffer.from('k'), Buffer.from('7')]);
    assert.ok(Object.isFrozen(given?.headers) && Object.isFrozen(given?.headers[0]));
  });

  it('may return an object, JSON text or bytes, which the validator judges; null ignores', () => {
    assert.equal(
      judged(() => EVENT),
      'event',
    );
    assert.equal(
      judged(() => JSON.stringify(EVENT)),
      'event',
    );
    assert.equal(
      judged(() => Buffer.from(JSON.stringify(EVENT))),
      'event',
    );
    assert.equal(
      judged(() => ({ ...EVENT, timestamp: new Date(0) })),
      'event',
    );
    assert.equal(
      judged(() => null),
      'ignored',
    );
    assert.equal(
      judged(() => ({ ...EVENT, user_id: undefined })),
      'invalid_event: Field required',
    );
    assert.match(
      judged(() => ({ ...EVENT, more: 1 })),
      /^invalid_event: Extra inputs/,
    );
    assert.match(
      judged(() => 'no JSON'),
      /^invalid_event: JSON decode error/,
    );
  });

  it('that throws or returns anything else parks its record with the reason', () => {
    const failure = (decode: unknown) => judged(decode).replace(/^decode_failed: /, '');
    assert.equal(
      failure(() => {
        throw new Error('no amount');
      }),
      'no amount',
    );
    assert.match(
      failure(() => {
        throw 'text';
      }),
      /text/,
    );
    assert.equal(
      typeof failure(() => {
        throw Proxy.revocable({}, {}).proxy;
      }),
      'string',
    );
    assert.match(
      failure(() => undefined),
      /returned undefined, not an event/,
    );
    assert.match(
      failure(() => 7),
      /returned number/,
    );
    assert.match(
      failure(() => [EVENT]),
      /returned an array/,
    );
    assert.match(
      failure(async () => EVENT),
      /must be synchronous/,
    );
    assert.match(
      failure(() => ({ ...EVENT, total_amount: 1n })),
      /BigInt/,
    );
    assert.match(
      failure(() => '"\ud800"'),
      /lone surrogate/,
    );
    assert.match(
      failure(() => ({ toJSON: () => undefined })),
      /./,
    );
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    assert.match(
      failure(() => cyclic),
      /circular/,
    );
  });

  it('is not asked about other topics', () => {
    const record = recordAt(7, JSON.stringify(EVENT));
    const asked = sourceOf(() => assert.fail(), 'order_events');
    assert.equal(decodeTopic([record], asked).events.length, 1);
  });

  it('makes gaps of what it ignores, among those of the log, and keeps the log order [G3]', async () => {
    const slice: LogSlice = {
      partition: 3,
      from: 0,
      next: 9,
      records: [0, 1, 2, 4, 5, 7, 8].map((offset) => recordAt(offset)),
      gaps: [
        { from: 3, to: 4, reason: 'control' },
        { from: 6, to: 7, reason: 'aborted' },
      ],
      leaderEpoch: 0,
    };
    const decode = ({ offset }: ForeignRecord) => {
      if (offset === 0) return 'no event';
      if (offset === 7) throw new Error('bad');
      return offset === 8 ? EVENT : null;
    };
    const { slice: given, events, invalid } = await decodeSlice(slice, sourceOf(decode));
    assert.deepEqual(given.gaps, [
      { from: 1, to: 3, reason: 'ignored' },
      { from: 3, to: 4, reason: 'control' },
      { from: 4, to: 6, reason: 'ignored' },
      { from: 6, to: 7, reason: 'aborted' },
    ]);
    assert.equal(given.records, slice.records);
    assert.deepEqual(
      invalid.map(({ record }) => record.offset),
      [0, 7],
    );
    assert.deepEqual(
      events.map(({ record }) => record.offset),
      [8],
    );
  });

  it('lets others have their turn while it decodes a large batch', async () => {
    const large = ' '.repeat(300 * 1024);
    const order: string[] = [];
    const slow = () => {
      for (const endAt = performance.now() + 30; performance.now() < endAt; );
      order.push('decoded');
      return null;
    };
    const others = setInterval(() => order.push('other'), 1);
    const records = [0, 1, 2, 3].map((offset) => recordAt(offset, large));
    const { ignored } = await decodeInTurns(records, sourceOf(slow));
    clearInterval(others);
    assert.deepEqual(
      ignored.map(({ offset }) => offset),
      [0, 1, 2, 3],
    );
    const firstOther = order.indexOf('other');
    assert.ok(firstOther > 0 && firstOther < order.lastIndexOf('decoded'), order.join());
  });

  it('must be exported by a module that can be loaded', async () => {
    await assert.rejects(
      loadDecode('./none.mjs'),
      /DECODE_MODULE "\.\/none\.mjs" cannot be loaded/,
    );
    const noDecode = 'src/handlers/decode.ts';
    await assert.rejects(loadDecode(noDecode), /exports no function "decode"/);
    assert.equal(typeof (await loadDecode('examples/decode/cloudevents.ts')), 'function');
  });
});
