import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createDatabase } from '../../test/support/database.ts';
import { type OperatorFigures, readOperatorFigures } from '../store/operator-figures.ts';
import { addDatabaseMetrics, figuresReader, PARKED_REASONS } from './database-metrics.ts';

const LETTER = `INSERT INTO dead_letters (log_id, log_partition, log_offset, state, reason, parked_at)`;

describe('The gauges of the whole database', () => {
  it('have a series for each reason of the documentation', () => {
    const page = readFileSync(new URL('../../docs/dead-letters.md', import.meta.url), 'utf8');
    const [, table = ''] = /\| `reason` \|([\s\S]*?)\n\n/.exec(page) ?? [];
    const rows = table.split('\n').map((row) => row.split('|')[1] ?? '');
    const documented = rows.flatMap((cell) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    // One that waits is not parked.
    const parked = documented.filter((name) => name !== 'order_held');
    assert.deepEqual(parked.toSorted(), PARKED_REASONS.toSorted());
  });

  it('count dead letters, held orders, stopped partitions and accepted gaps; 0 where there are none', async (t) => {
    const { pool } = await createDatabase(t);
    const registry = new Registry();
    const read = () => readOperatorFigures(pool, 'order_events');
    addDatabaseMetrics(registry, read, () => 2);
    const samples = async () => {
      const lines = (await registry.metrics()).split('\n');
      return lines
        .filter((line) => /^[a-z]/.test(line))
        .map((line) => line.replace('orderonce_', ''));
    };
    const before = await samples();
    assert.ok(before.includes('dead_letters{state="parked",reason="refused_by_handler"} 0'));
    assert.ok(before.includes('stopped_partitions{code="LOG_RECREATED"} 0'));
    assert.ok(before.includes('dead_letter_oldest_seconds{state="parked"} 0'));
    assert.ok(before.includes('held_orders 0') && before.includes('unattended_partitions 2'));

    await pool.query(`${LETTER} SELECT 1, 0, n, 'parked', 'keeps_failing', now() - interval '1 hour'
      FROM generate_series(1, 3) n`);
    await pool.query(`${LETTER} VALUES (1, 0, 9, 'waiting', 'order_held', now())`);
    await pool.query(`INSERT INTO held_orders (order_id) VALUES (gen_random_uuid())`);
    await pool.query(
      `INSERT INTO log_gaps (log_id, log_partition, from_offset, to_offset, reason)
       VALUES (1, 0, 20, 25, 'accepted'), (1, 1, 0, 2, 'accepted'), (1, 2, 0, 9, 'control')`,
    );
    await pool.query(
      `INSERT INTO position_troubles
         (topic, log_partition, state, code, message, from_offset, to_offset, since, attempts)
       VALUES ('order_events', 0, 'stopped', 'LOG_RECREATED', '', 0, 0, now(), 0),
              ('order_events', 1, 'retrying', 'HANDLER_FAILS', '', 0, 0, now(), 3),
              ('another', 0, 'stopped', 'LOG_RECREATED', '', 0, 0, now(), 0)`,
    );
    const after = await samples();
    assert.ok(after.includes('dead_letters{state="parked",reason="keeps_failing"} 3'));
    assert.ok(after.includes('dead_letters{state="waiting",reason="order_held"} 1'));
    assert.ok(after.includes('stopped_partitions{code="LOG_RECREATED"} 1'));
    assert.ok(after.includes('held_orders 1'));
    const oldest = after.find((line) =>
      line.startsWith('dead_letter_oldest_seconds{state="parked"}'),
    );
    assert.ok(Number(oldest?.split(' ')[1]) >= 3600, oldest);
    assert.equal((await read()).acceptedOffsets, 7);
  });
});

describe('figuresReader', () => {
  const FIGURES: OperatorFigures = { letters: [], heldOrders: 0, stopped: [], acceptedOffsets: 0 };

  it('does not wait for a frozen PostgreSQL', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const reading = figuresReader(() => new Promise(() => {}))();
    t.mock.timers.tick(2000);
    assert.equal(await reading, null);
  });

  it('reads at most every 15 s, however many ask, and shows nothing old after a failure', async () => {
    let now = 0;
    let reads = 0;
    let fails = false;
    const read = figuresReader(
      async () => {
        reads++;
        if (fails) throw new Error('PostgreSQL is down');
        return FIGURES;
      },
      () => now,
    );
    await Promise.all([read(), read()]);
    now = 14_999;
    assert.equal(await read(), FIGURES);
    assert.equal(reads, 1);
    now = 15_001;
    fails = true;
    assert.equal(await read(), null);
    fails = false;
    assert.equal(await read(), FIGURES);
    assert.equal(reads, 3);
  });
});
