/** A redrive runs with the handlers of the deployment or not at all. `verify` runs their checks. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { count } from '../support/heart.ts';
import { LEDGER_MODULE } from '../support/ledger-module.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const PORTS = { PRODUCER_PORT: '18150', CONSUMER_PORT: '18151' };

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  await db.pool.query(
    'CREATE TABLE ledger (event_id uuid PRIMARY KEY); CREATE TABLE fixed (n int)',
  );
  // Inside the repository, so that Node resolves "orderonce/handlers".
  const folder = await mkdtemp(join(import.meta.dirname, '.redrive-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'handlers.mjs'), LEDGER_MODULE);
  const bare = { ...PORTS, DATABASE_URL: db.url, KAFKA_PARTITIONS: '2', LOG_LEVEL: 'warn' };
  const env = { ...bare, HANDLERS_MODULE: join(folder, 'handlers.mjs') };
  const run = async (with_: Record<string, string>, ...args: string[]) => {
    const command = new Orderonce(t, args, with_);
    return { code: await command.exit(), output: command.output };
  };
  /** Parks `n` bad events, and leaves one event of each of their orders waiting. */
  const park = async (n: number) => {
    const orders = Array.from({ length: n }, () => crypto.randomUUID());
    const shop = new Shop(Number(PORTS.PRODUCER_PORT));
    // One after the other, because nothing is parked if all events of a batch are refused.
    for (const [parked, order_id] of orders.entries()) {
      await shop.sendAll([wireEvent({ order_id, total_amount: '666' })], 1);
      const isParked = async () => (await count(db.pool, 'dead_letters')) === parked + 1;
      await until('it is parked', isParked);
    }
    await shop.sendAll(
      orders.map((order_id) => wireEvent({ order_id })),
      2,
    );
    await until('others wait', async () => (await count(db.pool, 'dead_letters')) === 2 * n);
  };
  return { pool: db.pool, env, bare, run, park, folder };
}

describe('dead-letters redrive', () => {
  it('runs in a consumer; elsewhere only with the same handlers, else nothing is done [G2]', async (t) => {
    const { pool, env, bare, run, park, folder } = await setUp(t);
    const service = new Orderonce(t, ['start'], env);
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    await park(2);
    const all = ['dead-letters', 'redrive', '--all'];
    const refused = await run(bare, ...all);
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, /Redrive 1 \(redrive\) done: 2 of 2 tried, 2 failed/);
    const elsewhere = await createDatabase(t);
    await elsewhere.pool.query(
      `INSERT INTO deployment_handlers (handlers, digest, owner) VALUES ('[]', 'x', 'y')`,
    );
    const astray = await run({ ...bare, DATABASE_URL: elsewhere.url }, ...all);
    assert.equal(astray.code, 2, astray.output);
    assert.match(astray.output, /works on another database/);
    await pool.query('INSERT INTO fixed VALUES (1)');
    const done = await run(bare, ...all, '--json');
    assert.equal(done.code, 0, done.output);
    assert.match(done.output, /"outcomes":\{"stored":4\}/);
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letters')], [4, 0]);
    const { rows: audit } = await pool.query('SELECT DISTINCT actor FROM dead_letter_audit');
    assert.match(audit[0].actor, /@.*\(http 127\.0\.0\.1\)/);

    await pool.query('DELETE FROM fixed');
    await park(2);
    await service.kill('SIGTERM');
    await pool.query('INSERT INTO fixed VALUES (1)');
    const other = join(folder, 'other.mjs');
    await writeFile(other, LEDGER_MODULE.replace('unnest', ' unnest'));
    for (const with_ of [bare, { ...env, HANDLERS_MODULE: other }]) {
      for (const flags of [[], ['--local']]) {
        const differ = await run(with_, ...all, ...flags);
        assert.equal(differ.code, 2, differ.output);
        assert.match(
          differ.output,
          /HANDLERS_DIFFER: .*The deployment runs the handlers ledger of /,
        );
      }
      const proof = await run(with_, 'verify');
      assert.equal(proof.code, 1, proof.output);
      assert.match(proof.output, /handler {3}ledger: NOT RUN/);
      assert.match(proof.output, /NOT proven: .* HANDLERS_MODULE=.*handlers\.mjs orderonce verify/);
    }
    const nowhere = await run(env, ...all, '--url', 'http://127.0.0.1:1');
    assert.equal(nowhere.code, 3, nowhere.output);
    assert.match(nowhere.output, /CONSUMER_UNREACHABLE: .*--local/);
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letters')], [4, 4]);

    const local = await run(env, ...all, '--local');
    assert.equal(local.code, 0, local.output);
    assert.deepEqual([await count(pool, 'ledger'), await count(pool, 'dead_letters')], [8, 0]);
    const proven = await run(env, 'verify');
    assert.equal(proven.code, 0, proven.output);
    assert.match(proven.output, /handler {3}ledger: proven/);
  });
});
