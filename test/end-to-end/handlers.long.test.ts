/**
 * Handlers that end, block or hang the process: their events are parked, all others take effect.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce, supervise, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const PORTS = { PRODUCER_PORT: '18130', CONSUMER_PORT: '18131' };

const MODULE = `
export const handlers = [{
  name: 'ledger',
  async handle(events, tx) {
    for (const { totalAmount } of events) {
      if (totalAmount === '661.0000') process.exit(3);
      if (totalAmount === '662.0000') for (;;);
      if (totalAmount === '663.0000') await new Promise(() => {});
    }
    await tx.query('INSERT INTO ledger SELECT unnest($1::uuid[])', [events.map((e) => e.eventId)]);
  },
}];
`;

describe('Handlers that break the process', () => {
  it('process.exit, an endless loop, a promise that never settles: parked, all others take effect [G2] [G3] [G6]', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-handlers-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'handlers.mjs'), MODULE);
    // PostgreSQL keeps running: to start an embedded one after each death would take most of the
    // time.
    const { pool: db, url } = await createDatabase(t);
    await db.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY)');
    const env = {
      ...PORTS,
      DATABASE_URL: url,
      KAFKA_PARTITIONS: '2',
      HANDLERS_MODULE: 'handlers.mjs',
      HANDLER_BLOCK_MS: '2000',
      HANDLER_TIMEOUT_MS: '1000',
      HANDLER_ATTEMPTS_MAX: '3',
    };
    const { state: supervised } = supervise(t, env, folder);
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    const events = Array.from({ length: 60 }, (_, i) =>
      wireEvent({ total_amount: { 20: '661', 30: '662', 40: '663' }[i] ?? '10' }),
    );
    await new Shop(Number(PORTS.PRODUCER_PORT)).sendAll(events, 4);
    const counts = () =>
      db.query(
        `SELECT (SELECT count(*)::int FROM processed_events) AS stored,
                (SELECT count(*)::int FROM dead_letters) AS parked,
                (SELECT count(*)::int FROM ledger) AS effects`,
      );
    const done = await until(
      'all are settled',
      async () => {
        const [row] = (await counts()).rows;
        return row.stored + row.parked === 60 ? row : null;
      },
      { withinMs: 150_000, everyMs: 100 },
    );
    assert.deepEqual(done, { stored: 57, parked: 3, effects: 57 });
    const { rows } = await db.query(
      `SELECT reason, convert_from(value, 'UTF8')::jsonb ->> 'total_amount' AS amount
         FROM dead_letters ORDER BY 2`,
    );
    assert.deepEqual(rows, [
      { amount: '661.0000', reason: 'ends_the_process' },
      { amount: '662.0000', reason: 'ends_the_process' },
      { amount: '663.0000', reason: 'keeps_failing' },
    ]);
    assert.ok(supervised.deaths >= 6, `${supervised.deaths} deaths`);
  });

  it('a module that is none is refused at the start, with what is wrong', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-handlers-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const database = 'postgres://nobody@127.0.0.1:1/none';
    const modules: [source: string, said: RegExp][] = [
      ['export const handlers = [];', /exports no array "handlers"/],
      ['export const handlers = [{ name: 1 }];', /has no "name" or no function "handle"/],
      ['this is not JavaScript', /cannot be loaded: .*/],
    ];
    for (const [source, said] of modules) {
      await writeFile(join(folder, `handlers-${modules.length}.mjs`), source);
      const env = {
        ...PORTS,
        DATABASE_URL: database,
        HANDLERS_MODULE: `handlers-${modules.length}.mjs`,
      };
      const service = new Orderonce(t, ['consumer'], env, folder);
      assert.notEqual(await service.exit(), 0);
      assert.match(service.output, /HANDLERS_INVALID/);
      assert.match(service.output, said);
    }
  });
});
