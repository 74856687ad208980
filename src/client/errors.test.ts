import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { ClientError, Rejected, Unauthorized, Unavailable, Unknown } from './errors.ts';
import { payloadOf } from './payload.ts';

const { event } = payloadOf(wireEvent());
const failure = { events: [event], attempts: 1, status: 422, mayHaveBeenAccepted: false };

describe('The errors of the client', () => {
  const classes = { Rejected, Unauthorized, Unavailable, Unknown };

  it('are recognised by instanceof, each as itself and as a ClientError', () => {
    for (const [name, One] of Object.entries(classes)) {
      const error: unknown = new One('m', { ...failure, detail: 'd' });
      for (const [other, Other] of Object.entries(classes)) {
        assert.equal(error instanceof Other, name === other);
      }
      assert.ok(error instanceof ClientError && error instanceof Error);
      assert.deepEqual([error.name, error.event, error.detail], [name, event, 'd']);
      assert.equal(String(error), `${name}: m`);
    }
    for (const no of [null, undefined, 'x', new Error('x'), { name: 'Rejected' }]) {
      assert.equal(no instanceof Rejected, false);
    }
  });

  it('are recognised across two copies of the package', async () => {
    const copy: typeof import('./errors.ts') = await import(`./errors.ts?${'copy'}`);
    assert.notEqual(copy.Rejected, Rejected);
    assert.ok(new copy.Rejected('m', failure) instanceof Rejected);
    assert.ok(new Rejected('m', failure) instanceof copy.ClientError);
    assert.equal(new copy.Rejected('m', failure) instanceof Unknown, false);
  });

  it('can be extended: a class of the caller recognises only its own', () => {
    class Mine extends Rejected {}
    const mine: unknown = new Mine('m', failure);
    assert.ok(mine instanceof Mine && mine instanceof Rejected);
    assert.equal((new Rejected('m', failure) as unknown) instanceof Mine, false);
  });
});
