import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inSnapshot, inStoringTransaction, inTransaction } from './transaction.ts';

const LIMITS = { lockMs: 1.5, statementMs: 2, idleMs: 3 };

/** A connection to a server of this version, and the statement that it gets first. */
function poolOf(server?: { major: number }) {
  const said: string[] = [];
  const query = async (text: string) => {
    said.push(text);
    return { rows: [], command: text.split(/[\s;]/)[0] };
  };
  const client = {
    query,
    on: () => {},
    off: () => {},
    release: () => {},
    ...(server && { server }),
  };
  return { said, connect: async () => client as never };
}

describe('A transaction', () => {
  it('says itself what role and database could have set', async () => {
    const pool = poolOf({ major: 17 });
    await inTransaction(pool, LIMITS, async () => {});
    await inStoringTransaction(pool, LIMITS, async () => {});
    for (const begin of [pool.said[0], pool.said[2]]) {
      assert.match(begin ?? '', /^BEGIN ISOLATION LEVEL READ COMMITTED NOT DEFERRABLE;/);
      for (const limit of [
        'lock_timeout = 1;',
        'statement_timeout = 2;',
        'transaction_timeout = 0',
      ]) {
        assert.ok(begin?.includes(`SET LOCAL ${limit}`), limit);
      }
    }
  });

  it('can be begun on servers that do not know every setting', async () => {
    for (const server of [{ major: 15 }, undefined]) {
      const pool = poolOf(server);
      await inTransaction(pool, LIMITS, async () => {});
      await inSnapshot(pool, LIMITS, async () => {});
      const [begin = '', , snapshot = ''] = pool.said;
      // What an operator has made read-only must stay so, and a standby refuses READ WRITE.
      assert.doesNotMatch(begin, /READ (ONLY|WRITE)/);
      assert.match(snapshot, /^BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY /);
      assert.doesNotMatch(begin + snapshot, /transaction_timeout/);
    }
  });
});
