/**
 * Compares three ways to insert a batch of events into processed_events (DO NOTHING), from a bare
 * loop with batches that are ready in memory:
 *
 * - `unnest`: binary arrays and unnest, as this project does it.
 * - `json`: one JSON parameter.
 * - `staging`: binary COPY into a temporary table, and an INSERT from there.
 *
 * The result gives, by batch size, events per second and the CPU time per event of this process,
 * which encodes the batches, and of PostgreSQL.
 */
import type pg from 'pg';
import type { EventRecord } from '../src/log/decoded-record.ts';
import {
  amountArray,
  bigintArray,
  byteaArray,
  intArray,
  textArray,
  timestampArray,
  uuidArray,
} from '../src/store/binary-arrays.ts';
import { migrate } from '../src/store/migrate.ts';
import { insertEvents } from '../src/store/processed-events.ts';
import { cpuSecondsOfFamily } from './cpu.ts';
import { freshDatabase, openPool } from './databases.ts';
import type { Servers } from './servers.ts';
import { eventBatches } from './sql.ts';

const SIZES = [500, 1000, 2000, 5000, 10_000];
const CONNECTIONS = 2;
const COLUMNS = `event_id, order_id, user_id, total_amount, occurred_at, digest, log_id,
  log_partition, log_offset, request_id`;
/**
 * The header of the binary format: signature, flags, length of the header extension (PostgreSQL
 * manual, COPY, "Binary Format").
 */
const COPY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COPY_END = Buffer.from([0xff, 0xff]);
const ARRAY_HEADER_BYTES = 20;

type Way = (client: pg.PoolClient, events: readonly EventRecord[]) => Promise<unknown>;

const WAYS: Readonly<Record<string, Way>> = {
  unnest: (client, events) => insertEvents(client, 1, events, { projection: null }),
  json: (client, events) =>
    client.query(
      `INSERT INTO processed_events (${COLUMNS})
       SELECT ${COLUMNS} FROM json_to_recordset($1) AS e (event_id uuid, order_id uuid, user_id text,
         total_amount numeric, occurred_at timestamptz, digest bytea, log_id int,
         log_partition int, log_offset bigint, request_id uuid)
       ON CONFLICT DO NOTHING`,
      [JSON.stringify(events.map(rowOf))],
    ),
  staging: async (client, events) => {
    await client.query(
      'CREATE TEMP TABLE IF NOT EXISTS staging (LIKE processed_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS',
    );
    await copyIn(client, `COPY staging (${COLUMNS}) FROM STDIN (FORMAT binary)`, copyData(events));
    await client.query(
      `INSERT INTO processed_events (${COLUMNS}) SELECT ${COLUMNS} FROM staging ORDER BY event_id
       ON CONFLICT DO NOTHING`,
    );
  },
};

/** Keys of the result are way and batch size, as in `unnest_500`; CPU times are in microseconds. */
export async function ways(servers: Servers, events: number, round: number) {
  const result: Record<string, number> = {};
  for (const size of SIZES) {
    for (const [name, way] of Object.entries(WAYS)) {
      const database = `ways_${process.pid}_${round}_${size}_${name}`;
      const measured = await measure(servers, database, way, eventBatches(events, size));
      for (const [what, figure] of Object.entries(measured)) {
        result[`${name}_${size}${what}`] = figure;
      }
    }
  }
  return result;
}

async function measure(
  servers: Servers,
  database: string,
  way: Way,
  batches: readonly EventRecord[][],
) {
  const pool = openPool(await freshDatabase(servers, database), CONNECTIONS);
  try {
    await migrate(pool);
    await pool.query('CHECKPOINT');
    const left = [...batches];
    const own = process.cpuUsage();
    const postgres = cpuSecondsOfFamily(servers.databasePid);
    const started = performance.now();
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        const client = await pool.connect();
        try {
          for (let batch = left.pop(); batch !== undefined; batch = left.pop()) {
            await client.query('BEGIN');
            await way(client, batch);
            await client.query('COMMIT');
          }
        } finally {
          client.release(true);
        }
      }),
    );
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(own);
    const events = batches.reduce((sum, batch) => sum + batch.length, 0);
    const { rows } = await pool.query('SELECT count(*) AS n FROM processed_events');
    if (rows[0].n !== events) {
      throw new Error(`The run does not count: ${rows[0].n} of ${events} events are stored`);
    }
    return {
      '': Math.round(events / seconds),
      _client_cpu_us: (user + system) / events,
      _postgres_cpu_us: ((cpuSecondsOfFamily(servers.databasePid) - postgres) / events) * 1e6,
    };
  } finally {
    await pool.end();
  }
}

function rowOf({ event, digest, record }: EventRecord) {
  return {
    event_id: event.eventId,
    order_id: event.orderId,
    user_id: event.userId,
    total_amount: event.totalAmount,
    occurred_at: event.timestamp,
    digest: `\\x${digest}`,
    log_id: 1,
    log_partition: record.partition,
    log_offset: record.offset,
    request_id: record.requestId,
  };
}

/** Elements of a binary array have the encoding of fields of COPY, so their bytes are copied. */
function copyData(events: readonly EventRecord[]): Buffer {
  const columns = [
    uuidArray(events.map(({ event }) => event.eventId)),
    uuidArray(events.map(({ event }) => event.orderId)),
    textArray(events.map(({ event }) => event.userId)),
    amountArray(events.map(({ event }) => event.totalAmount)),
    timestampArray(events.map(({ event }) => event.timestamp)),
    byteaArray(events.map(({ digest }) => digest)),
    intArray(events.map(() => 1)),
    intArray(events.map(({ record }) => record.partition)),
    bigintArray(events.map(({ record }) => record.offset)),
    uuidArray(events.map(({ record }) => record.requestId)),
  ];
  const bytes = columns.reduce((sum, column) => sum + column.length, 0);
  const data = Buffer.allocUnsafe(COPY_HEADER.length + bytes + events.length * 2 + 2);
  let at = COPY_HEADER.copy(data);
  const ats = columns.map(() => ARRAY_HEADER_BYTES);
  for (let row = 0; row < events.length; row++) {
    at = data.writeInt16BE(columns.length, at);
    for (const [i, column] of columns.entries()) {
      const start = ats[i] as number;
      const end = start + 4 + Math.max(0, column.readInt32BE(start));
      at += column.copy(data, at, start, end);
      ats[i] = end;
    }
  }
  at += COPY_END.copy(data, at);
  return data.subarray(0, at);
}

/** The driver has no call for COPY. This is a query object that sends the data itself. */
function copyIn(client: pg.PoolClient, text: string, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = {
      submit: (connection: { query(text: string): void }) => connection.query(text),
      handleCopyInResponse: (connection: CopyConnection) => {
        connection.sendCopyFromChunk(data);
        connection.endCopyFrom();
      },
      handleCommandComplete: () => {},
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    };
    client.query(query as never);
  });
}

type CopyConnection = { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void };
