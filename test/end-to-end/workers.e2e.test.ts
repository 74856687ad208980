/** Several worker processes behind one port of the ingest API. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { until } from '../support/until.ts';

const PORT = 18_140;
const URL = `http://127.0.0.1:${PORT}`;

/** Posts on a new connection, so that the primary passes it to the next worker. */
async function post(): Promise<number> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  const body = JSON.stringify(wireEvent());
  return (await fetch(`${URL}/events`, { method: 'POST', headers, body })).status;
}

async function acceptedByMetrics(): Promise<number> {
  const text = await (await fetch(`${URL}/metrics`)).text();
  return Number(/orderonce_ingest_events_total\{answer="accepted"\} (\d+)/.exec(text)?.[1]);
}

it('workers share a port, answer for one another in metrics, and are replaced when killed [G1] [G10]', async (t) => {
  const { url, pool } = await createDatabase(t);
  const env = { DATABASE_URL: url, PRODUCER_PORT: String(PORT), PRODUCER_WORKERS: '2' };
  assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
  const producer = new Orderonce(t, ['producer'], env);
  await untilHealthy(PORT);
  await until('both listen', () => producer.output.match(/Producer listens/g)?.length === 2);

  for (let i = 0; i < 20; i++) assert.equal(await post(), 202);
  assert.equal(await acceptedByMetrics(), 20);

  const started = producer.output.matchAll(/"pid":(\d+),"msg":"Worker started"/g);
  const pids = [...started].map(([, pid]) => Number(pid));
  assert.equal(new Set(pids).size, 2);
  process.kill(pids[0] as number, 'SIGKILL');
  await until('it is replaced', () => producer.output.match(/Producer listens/g)?.length === 3);
  for (let i = 0; i < 20; i++) assert.equal(await post(), 202);

  const { rows } = await pool.query('SELECT count(*) AS n FROM event_log');
  assert.equal(rows[0].n, 40);
  assert.equal(await producer.kill('SIGTERM'), 0);
});

it('where no worker can start, the command ends and says why', async (t) => {
  const env = { DATABASE_URL: 'postgres://x@localhost/x', API_KEYS_FILE: '/nowhere/keys.json' };
  const words = ['producer', '--producer-workers', '2', '--producer-port', '0'];
  const producer = new Orderonce(t, words, env);
  assert.equal(await producer.exit(), 1);
  assert.match(producer.output, /SETTING_INVALID: API_KEYS_FILE.*a worker cannot start/s);
});
