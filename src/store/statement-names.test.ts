import assert from 'node:assert/strict';
import { it } from 'node:test';
import { prepared, StatementNames } from './statement-names.ts';

it('the name of a statement says its text: two releases behind one pooler never share one', () => {
  const names = new StatementNames(() => {});
  const one = prepared('SELECT $1::int');
  const other = prepared('SELECT $1::int + 0');
  assert.equal(names.nameOf(one), 'orderonce_af3658b72c3bcb70da0f6f1bdb16e48f');
  assert.notEqual(names.nameOf(other), names.nameOf(one));
  assert.equal(names.nameOf('SELECT 1'), undefined);
});

it('names are given up at the first loss behind a pooler, else at the third, and that is said once', () => {
  for (const [isPooled, losses] of [
    [true, 1],
    [false, 3],
  ] as const) {
    let said = 0;
    const names = new StatementNames(() => said++);
    const text = prepared('SELECT $1::text');
    for (let i = 0; i < losses; i++) {
      assert.ok(names.nameOf(text));
      names.noteLost(isPooled);
    }
    assert.equal(names.nameOf(text), undefined);
    names.noteLost(isPooled);
    assert.equal(said, 1);
  }
});
