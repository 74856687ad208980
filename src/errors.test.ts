import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERRORS, OrderonceError, reasonOf } from './errors.ts';

describe('OrderonceError', () => {
  it('carries its code, and the kind that decides what is done with it', () => {
    const error = new OrderonceError('QUEUE_FULL', 'Full', { cause: new Error('why') });
    assert.deepEqual([error.code, error.kind], ['QUEUE_FULL', 'transient']);
    assert.equal((error.cause as Error).message, 'why');
  });

  it('has a help text that ends in a full stop for each code', () => {
    for (const [code, { help }] of Object.entries(ERRORS)) assert.match(help, /^[A-Z].*\.$/, code);
  });
});

describe('reasonOf', () => {
  it('finds the message that says something', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:5432'), { code: 'E' });
    assert.equal(reasonOf(new AggregateError([refused])), 'connect ECONNREFUSED ::1:5432');
    assert.equal(reasonOf(Object.assign(new Error(''), { code: 'EPIPE' })), 'Error (EPIPE)');
    assert.equal(reasonOf('text'), 'text');
  });
});
