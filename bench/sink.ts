/**
 * The sink against what PostgreSQL itself allows, all in one round: our drains from Kafka beside
 * the same tables filled without a log, a check or an account.
 *
 * - `peer`: one JSON parameter per batch and DO NOTHING, as the fastest sink of others does it, from
 *   a bare loop whose batches are ready in memory: compared with our drain without the projection.
 * - `copy`: the server reads the final rows of our drain of mix M from binary files into both
 *   tables. No client takes part, so this is more than any client can reach.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, toCanonicalJson } from '../src/event/order-event.ts';
import { parseEvent } from '../src/event/parse-event.ts';
import { migrate } from '../src/store/migrate.ts';
import type { Pool } from '../src/store/pool.ts';
import { freshDatabase, openPool } from './databases.ts';
import { drain } from './drain.ts';
import { randomEvent } from './random-event.ts';
import type { Servers } from './servers.ts';

/** What our consumer uses by default. */
const CONNECTIONS = 2;
const BATCH = 2000;

export type SinkResult = {
  readonly drain_m: number;
  readonly copy: number;
  readonly drain_m_to_copy: number;
  readonly drain_without_orders: number;
  readonly peer: number;
  readonly drain_without_orders_to_peer: number;
  readonly drain_duplicates: number;
  readonly drain_distinct: number;
  readonly duplicates_to_distinct: number;
};

/** Rates in events per second. */
export async function sink(servers: Servers, events: number, round: number): Promise<SinkResult> {
  let copy = 0;
  const m = await drain(servers, {
    events,
    mix: 'm',
    afterwards: async (pool) => {
      copy = await copyInto(servers, pool, `copy_${process.pid}_${round}`);
    },
  });
  const settings = { ORDERS_PROJECTION: 'off' };
  const without = await drain(servers, { events, settings });
  const peer = await asPeer(servers, events, `peer_${process.pid}_${round}`);
  const again = await drain(servers, { events, mix: 'duplicates' });
  const distinct = await drain(servers, { events });
  return {
    drain_m: m.events_per_second,
    copy,
    drain_m_to_copy: m.events_per_second / copy,
    drain_without_orders: without.events_per_second,
    peer,
    drain_without_orders_to_peer: without.events_per_second / peer,
    drain_duplicates: again.events_per_second,
    drain_distinct: distinct.events_per_second,
    duplicates_to_distinct: again.events_per_second / distinct.events_per_second,
  };
}

/** @returns rows of processed_events per second. */
async function copyInto(servers: Servers, from: Pool, name: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-copy-'));
  const pool = openPool(await freshDatabase(servers, name));
  try {
    await migrate(pool);
    // The server writes and reads the files as whoever it runs as.
    const { rows } = await from.query(`SELECT current_setting('data_directory') AS data`);
    const fileOf = (table: string, part: number) => join(rows[0].data, `${name}_${table}_${part}`);
    const tables = [
      ['processed_events', 'event_id'],
      ['orders', 'order_id'],
    ] as const;
    const parts = Array.from({ length: CONNECTIONS }, (_, part) => part);
    for (const [table, id] of tables) {
      for (const part of parts) {
        await from.query(
          `COPY (SELECT * FROM ${table} WHERE abs(hashtext(${id}::text)) % ${CONNECTIONS} = ${part})
             TO '${fileOf(table, part)}' (FORMAT binary)`,
        );
      }
    }
    const counted = await from.query('SELECT count(*) AS n FROM processed_events');
    await pool.query('CHECKPOINT');
    const started = performance.now();
    await Promise.all(
      parts.map(async (part) => {
        for (const [table] of tables) {
          await pool.query(`COPY ${table} FROM '${fileOf(table, part)}' (FORMAT binary)`);
        }
      }),
    );
    return Math.round(counted.rows[0].n / ((performance.now() - started) / 1000));
  } finally {
    await pool.end();
    await rm(folder, { recursive: true });
  }
}

async function asPeer(servers: Servers, events: number, name: string): Promise<number> {
  const pool = openPool(await freshDatabase(servers, name));
  try {
    await migrate(pool);
    const batches = batchesOf(events);
    await pool.query('CHECKPOINT');
    const started = performance.now();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
          await pool.query(
            `INSERT INTO processed_events (event_id, order_id, user_id, total_amount, occurred_at,
               digest, log_id, log_partition, log_offset, request_id)
             SELECT event_id, order_id, user_id, total_amount, "timestamp", digest, 1, 0, log_offset,
                    request_id
               FROM json_to_recordset($1) AS e (event_id uuid, order_id uuid, user_id text,
                      total_amount numeric, "timestamp" timestamptz, digest bytea,
                      log_offset bigint, request_id uuid)
             ON CONFLICT DO NOTHING`,
            [batch],
          );
        }
      }),
    );
    return Math.round(events / ((performance.now() - started) / 1000));
  } finally {
    await pool.end();
  }
}

function batchesOf(events: number): string[] {
  const texts = Array.from({ length: events }, (_, offset) => {
    const parsed = parseEvent(Buffer.from(JSON.stringify(randomEvent())));
    if (!parsed.ok) throw new Error('no event');
    const rest = `"digest":"\\\\x${digestOf(parsed.event)}","log_offset":${offset},"request_id":"${crypto.randomUUID()}"`;
    return `${toCanonicalJson(parsed.event).slice(0, -1)},${rest}}`;
  });
  const batches: string[] = [];
  while (texts.length > 0) batches.push(`[${texts.splice(-BATCH).join(',')}]`);
  return batches;
}
