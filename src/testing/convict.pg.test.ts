/** Handlers that do not take effect exactly once: provesExactlyOnce must say what it found, and when. */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { forEachEvent, type Handler } from '../handlers/handler.ts';
import { startTestKit, type TestKitOptions } from './index.ts';

const TABLES = `CREATE TABLE charges (event_id uuid NOT NULL, n text);
  CREATE TABLE keyed (key text PRIMARY KEY, event_id uuid);
  CREATE TABLE totals (user_id text PRIMARY KEY, n int NOT NULL);
  CREATE SEQUENCE numbers`;
const FIVE = [{ user_id: 'ann' }, { user_id: 'bob' }, { user_id: 'ann' }, {}, {}];
const INSERT = 'INSERT INTO charges (event_id, n) VALUES ($1, $2)';
const EVENT = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

const pools: pg.Pool[] = [];
after(() => Promise.all(pools.map((pool) => pool.end())));

function ownPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 1 });
  pool.on('error', () => {});
  pools.push(pool);
  return pool;
}

async function start(t: TestContext, handlers: TestKitOptions['handlers']) {
  // On the kit's own server, which copies a database in a fraction of the time.
  const kit = await startTestKit({ handlers, migrations: TABLES });
  t.after(() => kit.close());
  return kit;
}

type Case = {
  readonly handlers: TestKitOptions['handlers'];
  /** The whole first line of the message: table, rows or value, event, and what was done. */
  readonly line: string;
  /** In its second line. */
  readonly hint?: string;
};

const each = (handle: Parameters<typeof forEachEvent>[1]) => [forEachEvent('bad', handle)];

const CASES: Readonly<Record<string, Case>> = {
  'writes through a pool of its own': {
    handlers: ({ databaseUrl }) => {
      const pool = ownPool(databaseUrl);
      return each(async ({ eventId }) => void (await pool.query(INSERT, [eventId, 1])));
    },
    line: `charges: 2 rows instead of 1 for event ${EVENT} after a restart in the middle`,
  },
  'counts in memory, for each process': {
    handlers: () => {
      let count = 0;
      return each(async ({ eventId }, tx) => void (await tx.query(INSERT, [eventId, ++count])));
    },
    line: `charges.n is 1 instead of 4 for event ${EVENT} after a restart in the middle`,
  },
  'makes a key of random()': {
    handlers: each(async ({ eventId }, tx) => {
      await tx.query('INSERT INTO keyed VALUES (random()::text, $1)', [eventId]);
    }),
    line: `keyed.key is \\S+ instead of \\S+ for event ${EVENT} in a second undisturbed run`,
    hint: 'A key that is not made of the event does not recognise a repeat.*ignore: \\[.keyed.key.\\]',
  },
  'makes a key of now()': {
    handlers: each(async ({ eventId }, tx) => {
      await tx.query('INSERT INTO keyed VALUES (now()::text || $1, $1::uuid)', [eventId]);
    }),
    line: `keyed.key is [-0-9:. +]+\\S* instead of [-0-9:. +]+\\S* for event ${EVENT} in a second undisturbed run`,
    hint: 'A key that is not made of the event does not recognise a repeat',
  },
  'depends on where a batch ends': {
    handlers: [
      {
        name: 'first',
        handle: async ([first], tx) => void (await tx.query(INSERT, [first?.eventId, 1])),
      },
    ],
    line: `charges: 1 row instead of 0 for event ${EVENT} when each event is a batch of its own`,
  },
  'swallows an SQL error': {
    handlers: each(async ({ eventId }, tx) => {
      await tx.query(INSERT, [eventId, 1]).catch(() => {});
    }),
    line: `Handler "bad" caught the error of a statement and returned: INSERT INTO charges .* for event ${EVENT} after a lost connection at each statement`,
    hint: 'run a statement that may fail in tx.savepoint',
  },

  'counts in memory, in its module': {
    handlers: (() => {
      let count = 0;
      return each(async ({ eventId }, tx) => void (await tx.query(INSERT, [eventId, ++count])));
    })(),
    line: `charges.n is 6 instead of 1 for event ${EVENT} in a second undisturbed run`,
  },
  'swallows every SQL error in a savepoint': {
    handlers: each(async ({ eventId }, tx) => {
      await tx.savepoint(() => tx.query(INSERT, [eventId, 1])).catch(() => {});
    }),
    line: `charges: 0 rows instead of 1 for event ${EVENT} after a deadlock at each statement`,
  },
  'makes the key of a message of the clock': {
    handlers: each(async (event, tx) => {
      tx.emit(event, { topic: 'x', key: String(process.hrtime.bigint()), value: '' });
    }),
    line: `outbox.key is \\d+ instead of \\d+ for event ${EVENT} in a second undisturbed run`,
  },
  'writes only when it is tried again': {
    handlers: () => {
      const seen = new Set<string>();
      return each(async ({ eventId }, tx) => {
        if (seen.has(eventId)) await tx.query(INSERT, [eventId, 1]);
        seen.add(eventId);
      });
    },
    line: `charges: 1 row instead of 0 for event ${EVENT} after a lost connection at each statement`,
  },
  'holds an event for done because it was tried': {
    handlers: () => {
      const seen = new Set<string>();
      return each(async ({ eventId }, tx) => {
        if (!seen.has(eventId)) await tx.query(INSERT, [eventId, 1]);
        seen.add(eventId);
      });
    },
    line: `charges: 0 rows instead of 1 for event ${EVENT} after a lost connection at each statement`,
  },
  'charges the last event of each user in a batch': {
    handlers: [
      {
        name: 'last',
        handle: async (events, tx) => {
          const ofUsers = new Map(events.map((event) => [event.userId, event]));
          for (const { eventId } of ofUsers.values()) await tx.query(INSERT, [eventId, 1]);
        },
      },
    ],
    line: `charges: 1 row instead of 0 for event ${EVENT} when each event is a batch of its own`,
  },
  'writes through a pool of its own, but never twice': {
    handlers: ({ databaseUrl }) => {
      const pool = ownPool(databaseUrl);
      const insert = 'INSERT INTO keyed VALUES ($1::text, $1::uuid) ON CONFLICT DO NOTHING';
      return each(async ({ eventId }) => void (await pool.query(insert, [eventId])));
    },
    line: `keyed: 1 row instead of 0 for event ${EVENT} after an attempt that was rolled back`,
    hint: 'write through `tx` only',
  },
  'counts with a sequence': {
    handlers: each(async (_, tx) => void (await tx.query(`SELECT nextval('numbers')`))),
    line: 'numbers.last_value is \\d+ instead of 5 where sequence = numbers after a restart in the middle',
    hint: 'A sequence keeps what a transaction has taken from it',
  },
  'takes max() + 1': {
    handlers: each(async ({ eventId }, tx) => {
      const next = 'SELECT $1, coalesce(max(n::int), 0) + 1 FROM charges';
      await tx.query(`INSERT INTO charges ${next}`, [eventId]);
    }),
    line: `charges.n is 1 instead of 4 for event ${EVENT} when two consumers work at the same time`,
    hint: 'lock what is read',
  },
  'reads, adds and writes': {
    handlers: each(async ({ userId }, tx) => {
      const { rows } = await tx.query('SELECT n FROM totals WHERE user_id = $1', [userId]);
      const n = Number(rows[0]?.n ?? 0) + 1;
      const upsert =
        'INSERT INTO totals VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET n = $2';
      await tx.query(upsert, [userId, n]);
    }),
    line: 'totals.n is 1 instead of 2 where user_id = user-1 when two consumers work at the same time',
    hint: 'FOR UPDATE',
  },
  'never succeeds': {
    handlers: each(async (_, tx) => void (await tx.query('SELECT * FROM missing'))),
    line: '.*relation "missing" does not exist.* in the undisturbed run',
  },
};

describe('provesExactlyOnce convicts a handler that', () => {
  for (const [what, { handlers, line, hint = '' }] of Object.entries(CASES)) {
    it(what, async (t) => {
      const kit = await start(t, handlers);
      const proof = kit.provesExactlyOnce(FIVE);
      const error = await proof.then(
        () => assert.fail('It was acquitted'),
        (reason: Error) => reason,
      );
      assert.equal(error.name, 'ProofError');
      const [first = '', ...rest] = error.message.split('\n');
      assert.match(first, new RegExp(`^${line}$`));
      assert.match(rest.join('\n'), new RegExp(hint));
    });
  }

  it("writes through a pool of its own to the kit's database", async (t) => {
    let url = '';
    let pool: pg.Pool | undefined;
    const handle: Handler['handle'] = async (events) => {
      pool ??= ownPool(url);
      for (const { eventId } of events) await pool.query(INSERT, [eventId, 1]);
    };
    const kit = await start(t, [{ name: 'charge', handle }]);
    url = kit.databaseUrl;
    await assert.rejects(kit.provesExactlyOnce(FIVE), {
      name: 'ProofError',
      message: /^charges: .* in the kit's own database\n.*a connection of its own/s,
    });
    await assert.rejects(kit.provesExactlyOnce(FIVE), {
      name: 'ProofError',
      message: /^Another connection to the kit's database is open/,
    });
  });
});
