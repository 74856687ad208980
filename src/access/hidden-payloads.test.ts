import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIST_CONFLICTS } from '../admin/repeat-operations.ts';
import { GET_EVENT, GET_ORDER } from '../admin/status-operations.ts';
import { payloadFieldsOf, withoutPayloads } from './hidden-payloads.ts';

describe('payloadFieldsOf', () => {
  it('finds the marked fields of every alternative and of every item', () => {
    const of = (operation: Parameters<typeof payloadFieldsOf>[0]) =>
      [...payloadFieldsOf(operation)].sort();
    assert.deepEqual(of(GET_EVENT), ['data', 'payload', 'total_amount', 'user_id']);
    assert.deepEqual(of(LIST_CONFLICTS), ['differs', 'first_payload', 'payload']);
    assert.deepEqual(of(GET_ORDER), [
      ...['amount_sum', 'amount_sums', 'data', 'total_amount', 'user_id'],
    ]);
  });
});

describe('withoutPayloads', () => {
  it('makes fields with these names null at every depth, and changes nothing else', () => {
    const body = { items: [{ user_id: 'anna', n: 1, inner: { user_id: 'bob', at: null } }] };
    assert.deepEqual(withoutPayloads(body, new Set(['user_id'])), {
      items: [{ user_id: null, n: 1, inner: { user_id: null, at: null } }],
    });
    assert.equal(body.items[0]?.user_id, 'anna');
  });
});
