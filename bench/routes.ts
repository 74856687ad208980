/**
 * Measures how long the routes take that the console asks: with many stored events, 10,000 dead
 * letters, 2,000 conflicts and 30 days of activity.
 */
import type { Pool } from '../src/store/pool.ts';
import { freshDatabase, openPool } from './databases.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess } from './service-process.ts';
import { fillTables } from './stored-events.ts';

const LETTERS = 10_000;
const CONFLICTS = 2000;
const REQUESTS = 30;
const PORT = 18_431;
const URL_OF_CONSUMER = `http://127.0.0.1:${PORT}`;

/** @returns for each route its median and its slowest answer in ms, as `ROUTE_ms` and `ROUTE_most_ms`. */
export async function routes(servers: Servers, events: number): Promise<Record<string, number>> {
  const topic = `routes_${process.pid}`;
  const databaseUrl = await freshDatabase(servers, topic);
  const pool = openPool(databaseUrl);
  const env = { DATABASE_URL: databaseUrl, KAFKA_TOPIC: topic, CONSUMER_PORT: String(PORT) };
  try {
    await ServiceProcess.command('migrate', env).ended();
    await fillTables(pool, topic, events);
    await fillLedgers(pool);
    const consumer = ServiceProcess.command('consumer', env);
    try {
      await untilAnswers('/positions');
      return await measure(await pathsOf(pool));
    } finally {
      await consumer.stop();
    }
  } finally {
    await pool.end();
  }
}

/** Dead letters of 40 shapes, every tenth of which holds an order; conflicts; and activity. */
async function fillLedgers(pool: Pool): Promise<void> {
  await pool.query(
    `INSERT INTO dead_letters (log_id, log_partition, log_offset, event_id, order_id, digest, key, value,
       appended_at, state, reason, detail, parked_at)
     SELECT 2, n % 6, n / 6, gen_random_uuid(), gen_random_uuid(), sha256(n::text::bytea), '\\x00',
            convert_to('{"event_id": "x"}', 'UTF8'), now(),
            CASE WHEN n % 10 = 0 THEN 'waiting' ELSE 'parked' END,
            CASE WHEN n % 10 = 0 THEN 'order_held' ELSE 'refused_by_handler' END,
            jsonb_build_object('message', 'Card ' || chr(97 + n % 20) || ' of user ' || n || ' is refused'),
            now() - n * interval '1 s'
       FROM generate_series(0, $1 - 1) n`,
    [LETTERS],
  );
  await pool.query(
    `INSERT INTO conflicts (log_id, log_partition, log_offset, event_id, payload, digest, first_payload,
       first_digest, first_log_id, first_log_partition, first_log_offset, source, seen_at)
     SELECT 2, 7, row_number() OVER (), event_id, '{"total_amount": "1.0000"}', sha256('a'),
            '{"total_amount": "2.0000"}', sha256('b'), log_id, log_partition, log_offset,
            'foreign_client', now()
       FROM (SELECT event_id, log_id, log_partition, log_offset FROM processed_events LIMIT $1) e`,
    [CONFLICTS],
  );
  await pool.query(
    `INSERT INTO activity (minute, owner, outcome, source, n)
     SELECT minute, owner, outcome, '', 1000
       FROM (SELECT generate_series(now() - interval '48 h', now(), '1 min') AS minute
             UNION SELECT generate_series(now() - interval '30 d', now() - interval '48 h', '1 h')) m,
            unnest(ARRAY['a', 'b', 'c']) AS owner,
            unnest(ARRAY['stored', 'duplicate', 'conflict', 'dead_letter']) AS outcome
     ON CONFLICT DO NOTHING`,
  );
  await pool.query('ANALYZE');
}

/** The routes, with ids and places that exist. */
async function pathsOf(pool: Pool): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ event: string; order: string; after: string }>(
    `SELECT event_id AS event, order_id AS order FROM processed_events OFFSET 1000 LIMIT 1`,
  );
  const [{ event, order } = { event: '', order: '' }] = rows;
  const page = await json<{ next: string }>('/duplicates?limit=100');
  const letters = await json<{ next: string }>('/dead-letters?limit=100');
  const after = (next: string) => encodeURIComponent(next);
  return {
    overview: '/overview',
    activity_day: '/activity?minutes=1440',
    activity_month: '/activity?minutes=43200',
    event: `/events/${event}`,
    history: `/events/${event}/history`,
    order: `/orders/${order}`,
    find_id: `/find?q=${event}`,
    find_place: '/find?q=2/0/3',
    letters: '/dead-letters?limit=100&total=true',
    letters_next: `/dead-letters?limit=100&after=${after(letters.next)}`,
    letters_search: '/dead-letters?limit=100&q=user%207777',
    groups: '/dead-letters/groups',
    duplicates: '/duplicates?limit=100',
    duplicates_next: `/duplicates?limit=100&after=${after(page.next)}`,
    duplicate_sources: '/duplicates/sources',
    conflicts: '/conflicts?limit=100',
    positions: '/positions',
    processes: '/processes',
    proof: '/proof',
    metrics: '/metrics',
  };
}

async function measure(paths: Record<string, string>): Promise<Record<string, number>> {
  const results: Record<string, number> = {};
  for (const [name, path] of Object.entries(paths)) {
    const took: number[] = [];
    for (let n = 0; n < REQUESTS; n++) {
      const began = performance.now();
      const answer = await fetch(URL_OF_CONSUMER + path);
      await answer.arrayBuffer();
      took.push(performance.now() - began);
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    }
    took.sort((a, b) => a - b);
    results[`${name}_ms`] = took[REQUESTS >> 1] ?? Number.NaN;
    results[`${name}_most_ms`] = took.at(-1) ?? Number.NaN;
  }
  return results;
}

async function json<T>(path: string): Promise<T> {
  return (await (await fetch(URL_OF_CONSUMER + path)).json()) as T;
}

async function untilAnswers(path: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(URL_OF_CONSUMER + path).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('The consumer does not answer');
}
