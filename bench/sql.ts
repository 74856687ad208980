/** Fills the tables without a log, to show what PostgreSQL itself allows. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNDECLARED } from '../src/event/event-rules.ts';
import { digestOf, toCanonicalJson } from '../src/event/order-event.ts';
import { parseEvent } from '../src/event/parse-event.ts';
import { decodeRecords, type EventRecord } from '../src/log/decoded-record.ts';
import { logRecord } from '../src/log/log-record.ts';
import { USUAL_MODEL } from '../src/store/event-model.ts';
import { migrate } from '../src/store/migrate.ts';
import type { Pool } from '../src/store/pool.ts';
import { insertEvents } from '../src/store/processed-events.ts';
import { inTransaction } from '../src/store/transaction.ts';
import { freshDatabase, openPool } from './databases.ts';
import { recordSource } from './mixes.ts';
import { randomEvent } from './random-event.ts';
import type { Servers } from './servers.ts';

/** As many connections and records per batch as a consumer uses by default. */
const CONNECTIONS = 2;
const BATCH = 5000;
const LIMITS = { lockMs: 60_000, statementMs: 60_000, idleMs: 60_000 };
/** For `oneByOne`, the lower bound: one event per transaction. */
const SINGLE_CONNECTIONS = 8;
const SINGLE_EVENTS = 20_000;

/**
 * The upper bound: the server itself copies the final rows of a drain from binary files into both
 * tables. No client takes part, so no client can be faster.
 * @param from the database of the drain. @returns rows of processed_events per second.
 */
export async function copyInto(servers: Servers, from: Pool, name: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-copy-'));
  const pool = openPool(await freshDatabase(servers, name));
  try {
    await migrate(pool);
    // The server writes and reads the files with its own rights, so they are in its data folder.
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

/** One JSON parameter per batch, and DO NOTHING. @returns events per second. */
export async function asPeer(servers: Servers, events: number, name: string): Promise<number> {
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
    const parsed = parseEvent(Buffer.from(JSON.stringify(randomEvent())), UNDECLARED);
    if (!parsed.ok) throw new Error(`The generated event is invalid: ${JSON.stringify(parsed)}`);
    const rest = `"digest":"\\\\x${digestOf(parsed.event)}","log_offset":${offset},"request_id":"${crypto.randomUUID()}"`;
    return `${toCanonicalJson(parsed.event).slice(0, -1)},${rest}}`;
  });
  const batches: string[] = [];
  while (texts.length > 0) batches.push(`[${texts.splice(-BATCH).join(',')}]`);
  return batches;
}

/**
 * The statements of this project for both tables, with batches that are ready in memory, without a
 * log and without accounting. @returns events per second.
 */
export async function ourSql(servers: Servers, events: number, name: string): Promise<number> {
  return await insertAll(servers, name, eventBatches(events, BATCH), CONNECTIONS);
}

/** As ourSql, but with one event per transaction. @returns events per second. */
export async function oneByOne(servers: Servers, name: string): Promise<number> {
  return await insertAll(servers, name, eventBatches(SINGLE_EVENTS, 1), SINGLE_CONNECTIONS);
}

/** @returns batches of `size` distinct events each, decoded as a consumer decodes them. */
export function eventBatches(events: number, size: number): EventRecord[][] {
  const next = recordSource('distinct');
  return Array.from({ length: Math.ceil(events / size) }, (_, batch) => {
    const records = Array.from({ length: size }, (_, i) => {
      const at = { partition: 0, offset: batch * size + i, appendedMs: 0 };
      return logRecord({ headers: [], ...next(), ...at });
    });
    return [...decodeRecords(records, UNDECLARED).events];
  });
}

/** @returns events per second. */
async function insertAll(
  servers: Servers,
  name: string,
  batches: EventRecord[][],
  connections: number,
): Promise<number> {
  const pool = openPool(await freshDatabase(servers, name), connections);
  try {
    await migrate(pool);
    await pool.query('CHECKPOINT');
    const events = batches.reduce((sum, batch) => sum + batch.length, 0);
    const started = performance.now();
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
          const rows = batch;
          await inTransaction(pool, LIMITS, (tx) => insertEvents(tx, 1, rows, USUAL_MODEL));
        }
      }),
    );
    return Math.round(events / ((performance.now() - started) / 1000));
  } finally {
    await pool.end();
  }
}
