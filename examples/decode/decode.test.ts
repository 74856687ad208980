/**
 * The examples against records that libraries of others wrote (make-records.py) and, for Debezium,
 * against those that its documentation shows.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { UNDECLARED } from '../../src/event/event-rules.ts';
import { toCanonicalJson } from '../../src/event/order-event.ts';
import { guardedDecode } from '../../src/handlers/load-decode.ts';
import { decodeTopic } from '../../src/log/decode-hook.ts';
import type { Header } from '../../src/log/event-log.ts';
import { logRecord } from '../../src/log/log-record.ts';
import { decode as avro } from './avro.ts';
import { decode as cloudevents } from './cloudevents.ts';
import { decode as debezium } from './debezium-outbox.ts';

type Example = typeof avro;
type Parts = { key: Buffer | null; value: Buffer | null; headers: Header[] };
type Hexed = { key: string; value: string; headers: [string, string][] };

const ORDER = '7c0e6d3a-5b1f-4e29-9a44-1f0c2d3e4b5a';
const written: Record<string, Hexed> = JSON.parse(
  readFileSync(new URL('records.json', import.meta.url), 'utf8'),
);

function writtenBy(name: string): Parts {
  const { key, value, headers } = written[name] as Hexed;
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  return {
    key: bytes(key),
    value: bytes(value),
    headers: headers.map(([header, content]) => [Buffer.from(header), bytes(content)] as const),
  };
}

/** The event as it is stored; or why there is none. */
function decoded(example: Example, parts: Parts): unknown {
  const record = logRecord({ partition: 0, offset: 7, appendedMs: 0, ...parts });
  const decode = { topics: new Set(['shop']), decode: guardedDecode(example) };
  const source = { rules: { ...UNDECLARED, decode }, topic: 'shop' };
  const { events, invalid, ignored } = decodeTopic([record], source);
  if (ignored.length > 0) return 'ignored';
  const [one] = events;
  return one === undefined ? invalid[0]?.errors[0]?.msg : JSON.parse(toCanonicalJson(one.event));
}

const event = (last: string, parts: object = {}) => ({
  event_id: `0f9c2b64-1d3e-4a5f-8b7c-6d5e4f3a2b${last}`,
  order_id: ORDER,
  user_id: 'ann',
  total_amount: '99.9500',
  timestamp: '2026-01-02T03:04:05.000000Z',
  ...parts,
});

describe('CloudEvents', () => {
  it('are decoded in both modes, also where a library names another content type', () => {
    assert.deepEqual(decoded(cloudevents, writtenBy('structured')), event('01'));
    assert.deepEqual(decoded(cloudevents, writtenBy('binary')), event('02'));
    const old = writtenBy('structured, by an old library');
    assert.deepEqual(decoded(cloudevents, old), event('05'));
  });

  it('of other types are ignored; what is no CloudEvent is refused', () => {
    assert.equal(decoded(cloudevents, writtenBy('other type')), 'ignored');
    const bare = { ...writtenBy('binary'), headers: [] };
    assert.equal(decoded(cloudevents, bare), 'specversion is undefined, not "1.0"');
    const nothing = { ...bare, value: null };
    assert.equal(decoded(cloudevents, nothing), 'The record has no value');
  });
});

describe("Debezium's outbox", () => {
  const payload = { customer: 'ann', total: '99.95', at: '2026-01-02T03:04:05Z' };
  const row = (value: unknown, id = event('06').event_id, key = ORDER): Parts => ({
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(JSON.stringify(value)),
    headers: [[Buffer.from('id'), Buffer.from(id)]],
  });

  it('is decoded, whether the payload is expanded, text, or has its schema around it', () => {
    for (const value of [
      payload,
      JSON.stringify(payload),
      { schema: { type: 'struct' }, payload },
      { schema: { type: 'string' }, payload: JSON.stringify(payload) },
    ]) {
      assert.deepEqual(decoded(debezium, row(value)), event('06'));
    }
    const quoted = row(payload, `"${event('06').event_id}"`, `"${ORDER}"`);
    assert.deepEqual(decoded(debezium, quoted), event('06'));
  });

  it('ignores tombstones, and refuses a record that no outbox wrote', () => {
    assert.equal(decoded(debezium, row(null)), 'ignored');
    const bare = { ...row(payload), headers: [] };
    assert.equal(decoded(debezium, bare), 'The record has no header "id" or no key');
  });
});

describe('Avro in the frame of a schema registry', () => {
  it('is decoded exactly: amounts beyond a double, microseconds', () => {
    const exact = {
      user_id: 'zoë',
      total_amount: '12345678901234.5678',
      timestamp: '2026-01-02T03:04:05.678901Z',
    };
    assert.deepEqual(decoded(avro, writtenBy('avro')), event('04', exact));
  });

  it('of an unknown schema, or without the frame, is refused', () => {
    const unknown = writtenBy('avro of an unknown schema');
    assert.equal(decoded(avro, unknown), 'There is no file schemas/18.avsc');
    const { value } = writtenBy('avro');
    const bare = { ...unknown, value: (value as Buffer).subarray(5) };
    const noFrame = 'The value does not begin with the frame of a schema registry';
    assert.equal(decoded(avro, bare), noFrame);
    const cut = { ...unknown, value: (value as Buffer).subarray(0, 40) };
    assert.equal(typeof decoded(avro, cut), 'string');
  });
});
