/** Errors of handlers that no caller receives, in a separate process, which must survive them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { count } from '../../test/support/heart.ts';
import { Orderonce } from '../../test/support/processes.ts';
import { Shop } from '../../test/support/shop.ts';
import { until } from '../../test/support/until.ts';

const MODULE = `
export const handlers = [{
  name: 'stray',
  async handle(events, tx) {
    const amounts = events.map((e) => e.totalAmount);
    if (amounts.includes('661.0000')) Promise.reject(new Error('left behind'));
    if (amounts.includes('662.0000')) process.nextTick(() => { throw new Error('in a tick'); });
    if (amounts.includes('663.0000')) process.emit('uncaughtException', new Error('emitted'));
    if (amounts.includes('664.0000')) void (async () => { await tx.query('SELECT 1/0'); })();
    if (amounts.includes('665.0000')) setTimeout(() => Promise.reject(new Error('too late')), 300);
    await tx.query('INSERT INTO ledger SELECT unnest($1::uuid[])', [events.map((e) => e.eventId)]);
    if (amounts.includes('666.0000')) setTimeout(() => { throw new Error('in a timer'); }, 300);
  },
}];
`;

it('a promise or timer that a handler leaves behind fails its event, or is named: nobody else [G2] [G6]', async (t) => {
  const { pool, url } = await createDatabase(t);
  await pool.query('CREATE TABLE ledger (event_id uuid PRIMARY KEY)');
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-stray-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'handlers.mjs'), MODULE);
  const service = new Orderonce(
    t,
    ['start'],
    {
      DATABASE_URL: url,
      PRODUCER_PORT: '0',
      CONSUMER_PORT: '0',
      KAFKA_PARTITIONS: '2',
      HANDLERS_MODULE: 'handlers.mjs',
      HANDLER_ATTEMPTS_MAX: '1',
    },
    folder,
  );
  await service.untilSays('Orderonce runs');
  const port = Number(/ingest API +http:\/\/[^:]+:(\d+)/.exec(service.output)?.[1]);
  const amounts = ['661', '662', '663', '664', '665', '666', ...Array(40).fill('10')];
  await new Shop(port).sendAll(
    amounts.map((total_amount) => wireEvent({ total_amount })),
    4,
  );
  await until(
    'all are settled',
    async () =>
      (await count(pool, 'processed_events')) + (await count(pool, 'dead_letters')) === 46,
    { withinMs: 60_000 },
  );
  const { rows } = await pool.query(
    `SELECT convert_from(value, 'UTF8')::jsonb ->> 'total_amount' AS amount, detail ->> 'message' AS why
       FROM dead_letters ORDER BY 1`,
  );
  assert.deepEqual(
    rows.map(({ amount }) => amount),
    ['661.0000', '662.0000', '663.0000', '664.0000'],
  );
  for (const { why } of rows) assert.match(why, /^Handler "stray": /);
  assert.match(rows[0].why, /left behind/);
  assert.equal(await count(pool, 'ledger'), 42);
  await service.untilSays(/A handler failed after it had returned/);
  await service.untilSays(/in a timer/);
  await service.untilSays(/too late/);
  assert.equal(service.child.exitCode, null);
});
