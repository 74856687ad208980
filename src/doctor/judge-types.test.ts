import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeTypes, type KnownTypes } from './judge-types.ts';

const BOTH = ['order.paid@1', 'order.placed@1'];
const of = (who: KnownTypes['who'], types: readonly string[] | null): KnownTypes => ({
  who,
  types,
});
const linesOf = (...known: KnownTypes[]) =>
  judgeTypes(known).map(({ verdict, found }) => `${verdict}: ${found}`);

describe('judgeTypes', () => {
  it('names who lacks a type, or a version of one', () => {
    assert.deepEqual(
      linesOf(
        of('producer', [...BOTH, 'order.placed@2']),
        of('consumer', BOTH),
        of('this machine', []),
      ),
      [
        'warn: consumer does not know order.placed@2',
        'warn: this machine does not know order.paid@1, order.placed@1, order.placed@2',
      ],
    );
  });

  it('is content if all know the same', () => {
    assert.deepEqual(linesOf(of('producer', BOTH), of('consumer', [...BOTH].reverse())), [
      'ok: producer, consumer know the same: order.paid@1, order.placed@1',
    ]);
  });

  it('says nothing where nothing is declared, or nobody else answers', () => {
    assert.deepEqual(linesOf(of('producer', []), of('consumer', []), of('this machine', [])), []);
    assert.deepEqual(
      linesOf(of('producer', null), of('consumer', null), of('this machine', BOTH)),
      [],
    );
  });

  it('compares the others if one does not answer', () => {
    assert.deepEqual(linesOf(of('producer', null), of('consumer', BOTH), of('this machine', [])), [
      'warn: this machine does not know order.paid@1, order.placed@1',
    ]);
  });
});
