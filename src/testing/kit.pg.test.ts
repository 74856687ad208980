import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { forEachEvent, type Handler, OutageError, TerminalError } from '../handlers/handler.ts';
import { startTestKit, type TestKitOptions } from './index.ts';

const SCHEMA = `CREATE TABLE charges (event_id uuid PRIMARY KEY, amount numeric CHECK (amount < 100))`;

const charge = forEachEvent('charge', async (event, tx) => {
  const { eventId, userId, totalAmount } = event;
  const { rowCount } = await tx.query('SELECT FROM blocked WHERE user_id = $1', [userId]);
  if (rowCount > 0) throw new TerminalError(`${userId} is blocked`);
  await tx.query('INSERT INTO charges VALUES ($1, $2)', [eventId, totalAmount]);
  tx.emit(event, { topic: 'charges', key: userId, value: totalAmount });
});

async function start(t: TestContext, options: Partial<TestKitOptions> = {}) {
  const databaseUrl = process.env.TEST_DATABASE_URL;
  assert.ok(databaseUrl, 'Run the tests through "npm test"');
  const migrations = [SCHEMA, 'CREATE TABLE blocked (user_id text PRIMARY KEY)'];
  const kit = await startTestKit({ handlers: [charge], migrations, ...options, databaseUrl });
  t.after(() => kit.close());
  return kit;
}

describe('The test kit', () => {
  it('processes what was sent, once', async (t) => {
    const kit = await start(t);
    const event = await kit.sendTwice({ total_amount: '5' });
    await kit.send({ ...event, total_amount: '6' });
    await kit.sendGarbage();
    await kit.sendGarbage(null);
    assert.equal(await kit.event(event), null);
    assert.deepEqual(await kit.drain(), {
      stored: 1,
      duplicates: 1,
      conflicts: 1,
      parked: 2,
      waiting: 0,
    });
    const { rows } = await kit.query('SELECT amount::text FROM charges WHERE event_id = $1', [
      event.event_id,
    ]);
    assert.deepEqual(rows, [{ amount: '5.0000' }]);
    assert.equal((await kit.event(event.event_id))?.status, 'stored');
    const [message] = await kit.outbox();
    assert.deepEqual(
      [message?.topic, message?.key, message?.value, message?.eventId],
      ['charges', 'user-1', '5.0000', event.event_id],
    );
    assert.equal((await kit.drain()).stored, 0);
  });

  it('parks what is refused, and redrives it with what waits behind', async (t) => {
    const kit = await start(t);
    await kit.query(`INSERT INTO blocked VALUES ('eve')`);
    const bad = await kit.send({ user_id: 'eve' });
    const behind = await kit.send({ order_id: bad.order_id });
    const tooMuch = await kit.send({ total_amount: '100' });
    const drained = await kit.drain();
    assert.deepEqual([drained.stored, drained.parked, drained.waiting], [0, 2, 1]);
    const letters = await kit.deadLetters();
    assert.deepEqual(
      letters.map(({ eventId, state, sqlState }) => [eventId, state, sqlState]),
      [
        [bad.event_id, 'parked', null],
        [behind.event_id, 'waiting', null],
        [tooMuch.event_id, 'parked', '23514'],
      ],
    );
    assert.equal((await kit.redrive(bad))[0]?.outcome, 'failed');
    await kit.query('DELETE FROM blocked');
    const results = await kit.redrive(letters[0] as (typeof letters)[0]);
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['stored', 'stored'],
    );
    await assert.rejects(kit.redrive(bad), /is no dead letter/);
  });

  it('says why the consumer would retry, and tries again with the next drain', async (t) => {
    let isAway = true;
    const away = forEachEvent('away', async () => {
      if (isAway) throw new OutageError('the ledger is away');
    });
    const kit = await start(t, { handlers: [away] });
    await kit.send();
    await assert.rejects(
      kit.drain(),
      /would retry until they can: Handler "away": the ledger is away/,
    );
    isAway = false;
    assert.equal((await kit.drain()).stored, 1);
  });

  it('parks the one event that keeps failing while others succeed', async (t) => {
    const handle: Handler['handle'] = async (events) => {
      if (events.some(({ userId }) => userId === 'bug'))
        throw new TypeError('undefined is no number');
    };
    const kit = await start(t, { handlers: [{ name: 'bug', handle }] });
    for (const user_id of ['a', 'bug', 'b', 'c']) await kit.send({ user_id });
    const drained = await kit.drain();
    assert.deepEqual([drained.stored, drained.parked], [3, 1]);
    assert.equal((await kit.deadLetters())[0]?.reason, 'keeps_failing');
  });

  it('refuses to send what the API would refuse', async (t) => {
    const kit = await start(t);
    await assert.rejects(
      kit.send({ total_amount: '-1' }),
      /The API would answer 422: total_amount: /,
    );
  });

  it('has a clock for timestamps', async (t) => {
    const kit = await start(t);
    assert.equal((await kit.send()).timestamp, '2026-01-01T00:00:00.000Z');
    kit.clock.advance(60_000);
    assert.equal((await kit.send()).timestamp, '2026-01-01T00:01:01.000Z');
    kit.clock.set('2027-05-06T07:08:09Z');
    assert.equal((await kit.send()).timestamp, '2027-05-06T07:08:09.000Z');
    assert.throws(() => kit.clock.set('soon'), TypeError);
  });

  it('makes handlers anew at a restart, if they come from a function', async (t) => {
    let made = 0;
    const kit = await start(t, {
      handlers: async () => [{ name: `${++made}`, handle: async () => {} }],
    });
    await kit.restart();
    assert.equal(made, 2);
    await assert.rejects(start(t, { handlers: [{ name: 'x' }] as never }), /needs handlers/);
  });
});

describe('The databases of test kits', () => {
  it('are apart, and gone when the kit is closed', async (t) => {
    const [one, two] = await Promise.all([start(t), start(t)]);
    await one.send();
    await one.drain();
    assert.equal((await two.query('SELECT FROM charges')).rowCount, 0);
    const { databaseUrl } = one;
    await one.close();
    await one.close();
    const client = new pg.Client(databaseUrl);
    await assert.rejects(client.connect(), { code: '3D000' });
  });

  it('have the tables of a folder of migrations, in order', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-migrations-'));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, '2.sql'), 'ALTER TABLE a ADD y int; INSERT INTO a VALUES (1, 2);');
    await writeFile(join(folder, '1.sql'), 'CREATE TABLE a (x int);');
    const kit = await start(t, { migrations: folder });
    assert.deepEqual((await kit.query('SELECT * FROM a')).rows, [{ x: 1, y: 2 }]);
    await assert.rejects(start(t, { migrations: join(folder, 'none') }), /none" cannot be read/);
    await writeFile(join(folder, '3.sql'), 'CREATE TABL b ();');
    await assert.rejects(
      start(t, { migrations: folder }),
      /The migration 3.sql fails: syntax error/,
    );
  });
});
