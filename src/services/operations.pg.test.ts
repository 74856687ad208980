/** What operators see of running consumers: their processes, their activity, and the live stream. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { asAdmin, createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from '../runtime/logger.ts';
import { startConsumer } from './consumer-service.ts';

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const start = async (
    examine?: Parameters<typeof startConsumer>[4],
    reader = new FakeReader(2),
  ) => {
    const logger = createLogger('silent');
    const service = await startConsumer(testSettings(), db.url, reader, logger, examine);
    t.after(() => service.stop());
    const url = `http://127.0.0.1:${service.port}`;
    const get = async (path: string) => {
      const answer = await fetch(url + path);
      return { status: answer.status, body: JSON.parse(await answer.text()) };
    };
    await until('it is healthy', async () => (await get('/health')).status === 200);
    return { reader, service, url, get };
  };
  return { ...db, start };
}

describe('A running consumer', () => {
  it('reports itself, and removes its row when it stops in order', async (t) => {
    const { pool, start } = await setUp(t);
    const { service, get } = await start();
    const own = async () => (await get('/processes')).body.items;
    const [one] = await until('it has reported its partitions', async () => {
      const items = await own();
      return items[0]?.partitions.length === 2 ? items : null;
    });
    assert.deepEqual(
      [one.service, one.state, one.is_this, one.handlers.names],
      ['consumer', 'running', true, []],
    );
    await pool.query(
      `INSERT INTO processes (owner, service, version, handlers, partitions, seen_at)
       VALUES ('killed', 'consumer', '0.1.0', '[]', '[]', now() - interval '30 s'),
              ('old', 'consumer', '0.1.0', '[]', '[]', now() - interval '16 min')`,
    );
    const states = async () =>
      (await own()).map((item: Record<string, string>) => `${item.owner} ${item.state}`);
    await until('the old one is removed', async () => !(await states()).join().includes('old'));
    assert.ok((await states()).includes('killed missing'));
    const { needs } = (await get('/overview')).body;
    assert.equal(needs[0].kind, 'processes_missing');
    await service.stop();
    const { rows } = await pool.query('SELECT owner FROM processes');
    assert.deepEqual(rows, [{ owner: 'killed' }]);
  });

  it('adds what it has processed to the activity, also what came just before it stopped', async (t) => {
    const { pool, start } = await setUp(t);
    const { reader, service } = await start();
    const [event, other] = [wireEvent(), wireEvent()];
    const fill = (log: FakeReader) => {
      log.put(0, event, event, 'garbage');
      log.put(1, other);
      return log;
    };
    fill(reader);
    await until('all are processed', async () => {
      const { rows } = await pool.query('SELECT sum(next_offset) AS n FROM consumer_positions');
      return Number(rows[0].n) === 4;
    });
    await service.stop();
    const { rows } = await pool.query(
      'SELECT outcome, source, sum(n)::int AS n FROM activity GROUP BY 1, 2 ORDER BY 1',
    );
    assert.deepEqual(rows, [
      { outcome: 'dead_letter', source: 'invalid_event', n: 1 },
      { outcome: 'duplicate', source: 'foreign_client', n: 1 },
      { outcome: 'stored', source: '', n: 2 },
    ]);
    const { get } = await start(undefined, fill(new FakeReader(2)));
    const { body } = await get('/activity?minutes=2&by=outcome');
    assert.deepEqual(
      body.series.map(({ name, total }: { name: string; total: number }) => [name, total]),
      [
        ['stored', 2],
        ['dead_letter', 1],
        ['duplicate', 1],
      ],
    );
    assert.equal(body.series[0].points.length, 2);
  });

  it('streams what happens in any process, and ends the stream when it stops', async (t) => {
    const { start } = await setUp(t);
    const [one, other] = [await start(), await start()];
    const answer = await fetch(`${one.url}/stream`);
    let text = '';
    const ended = (async () => {
      for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
    })();
    await until('it is greeted', () => text.includes('event: overview'));
    other.reader.put(0, 'garbage');
    await until('the dead letter is sent', () =>
      /event: outcome\nid: \d+\ndata: \{"outcome":"dead_letter"/.test(text),
    );
    await until('the overview has it', () => text.includes('1 dead letter parked: invalid_event'));
    await one.service.stop();
    await ended;
  });

  it('gives the last overview while PostgreSQL does not answer, and says so', async (t) => {
    const { name, start } = await setUp(t);
    const { reader, get } = await start();
    reader.put(0, 'garbage');
    await until('it is parked', async () => (await get('/overview')).body.needs.length === 1);
    const before = (await get('/overview')).body;
    await asAdmin(async (admin) => {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      const sql = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1';
      await admin.query(sql, [name]);
    });
    const { needs, dead_letters, as_of } = await until('it says so', async () => {
      const { status, body } = await get('/overview');
      assert.equal(status, 200);
      return body.verdict === 'act' ? body : null;
    });
    assert.equal(needs[0].kind, 'database_unavailable');
    assert.deepEqual(dead_letters, before.dead_letters);
    assert.ok(as_of >= before.as_of);
  });

  it('answers with the findings of the doctor if it has one', async (t) => {
    const { start } = await setUp(t);
    assert.equal((await (await start()).get('/doctor')).status, 503);
    const found = { area: 'kafka', check: 'x', verdict: 'fail', found: 'y', remedy: 'z' } as const;
    const { get } = await start(async () => [found]);
    assert.deepEqual((await get('/doctor')).body.findings, [found]);
    const { body } = await get('/overview');
    assert.equal(body.doctor.failures, 1);
    assert.ok(body.needs.some(({ kind }: { kind: string }) => kind === 'doctor_failures'));
  });
});
