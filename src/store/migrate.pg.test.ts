import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { until } from '../../test/support/until.ts';
import { migrate } from './migrate.ts';
import { createPool } from './pool.ts';

describe('migrate', () => {
  it('waits for the locks of others without holding up whoever comes after it, and says for whom', async (t) => {
    const { pool, url } = await createDatabase(t);

    // The next call creates it again, which needs a lock that a running report does not allow.
    await pool.query('DROP TRIGGER refuse_handlers ON held_orders');
    const others = createPool({
      connectionString: url,
      name: 'a long report',
      connectionsMax: 2,
      queryTimeoutMs: 30_000,
    });
    t.after(() => others.end());
    const report = await others.connect();
    await report.query('BEGIN');
    await report.query('LOCK TABLE held_orders IN ROW EXCLUSIVE MODE');
    const waits: string[] = [];
    const migrated = migrate(pool, { onWait: (why) => waits.push(why) });
    await until('it says that it waits', async () => waits.length > 0);
    assert.match(waits[0] ?? '', /process \d+ \(role ".+", application "a long report"\)/);
    // The attempt is over, so it does not hold up this statement, which needs the table too.
    const { order_id } = wireEvent();
    await others.query('DELETE FROM held_orders WHERE order_id = $1', [order_id]);
    await report.query('COMMIT');
    report.release();
    assert.deepEqual(await migrated, []);
    const { rows } = await pool.query(
      `SELECT FROM pg_trigger WHERE tgname = 'refuse_handlers' AND tgrelid = 'held_orders'::regclass`,
    );
    assert.equal(rows.length, 1);
  });
});
