/**
 * A topic that others write beside the one of the API, over a real broker: CloudEvents are decoded,
 * records with which the process ends or hangs while they are decoded are parked alone.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { foreignProducer, KAFKA, newTopic } from '../support/kafka.ts';
import { Orderonce, supervise, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const PORTS = { PRODUCER_PORT: '18160', CONSUMER_PORT: '18161' };
const EXAMPLE = fileURLToPath(new URL('../../examples/decode/cloudevents.ts', import.meta.url));
const RECORDS = new URL('../../examples/decode/records.json', import.meta.url);

const MODULE = `
import { decode as cloudEvent } from ${JSON.stringify(EXAMPLE)};
export function decode(record) {
  const text = String(record.value);
  if (text === 'exit') process.exit(3);
  if (text === 'hang') for (;;);
  return cloudEvent(record);
}
`;

type Hexed = { key: string; value: string; headers: [string, string][] };
type Message = { key?: Buffer; value: Buffer; headers?: Map<Buffer, Buffer> };

async function writtenByLibraries(): Promise<Map<string, Message>> {
  const records: Record<string, Hexed> = JSON.parse(await readFile(RECORDS, 'utf8'));
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  const messages = Object.entries(records).map(([name, { key, value, headers }]) => {
    const named = headers.map(
      ([header, content]) => [Buffer.from(header), bytes(content)] as const,
    );
    return [name, { key: bytes(key), value: bytes(value), headers: new Map(named) }] as const;
  });
  return new Map(messages);
}

describe('A topic that others write', { skip: KAFKA === undefined }, () => {
  it('is decoded beside that of the API; records that end or block the process are parked alone [G2] [G3]', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-decode-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'decode.mjs'), MODULE);
    const { pool: db, url } = await createDatabase(t);
    const [ours, theirs] = [await newTopic(2), await newTopic(2)];
    const env = {
      ...PORTS,
      DATABASE_URL: url,
      KAFKA_BOOTSTRAP_SERVERS: KAFKA as string,
      KAFKA_TOPIC: ours,
      KAFKA_TOPICS: theirs,
      KAFKA_GROUP_ID: ours,
      DECODE_MODULE: 'decode.mjs',
      HANDLER_BLOCK_MS: '2000',
      SESSION_TIMEOUT_MS: '6000',
    };
    const { state, stop } = supervise(t, env, folder);
    await untilHealthy(Number(PORTS.CONSUMER_PORT));
    const events = Array.from({ length: 30 }, () => wireEvent());
    await new Shop(Number(PORTS.PRODUCER_PORT)).sendAll(events, 4);
    const written = await writtenByLibraries();
    const text = (value: string) => ({ value: Buffer.from(value) });
    const messages = [
      written.get('structured'),
      text('exit'),
      written.get('binary'),
      written.get('other type'),
      text('hang'),
      text('no CloudEvent'),
      written.get('structured'),
      written.get('structured, by an old library'),
    ] as Message[];
    const producer = foreignProducer();
    await producer.send({
      messages: messages.map((message) => ({ topic: theirs, partition: 1, ...message })),
    });
    await producer.close();
    const done = await until(
      'all are settled',
      async () => {
        const sql = `SELECT next_offset AS next FROM consumer_positions
                      WHERE topic = $1 AND log_partition = 1`;
        const { rows } = await db.query<{ next: number }>(sql, [theirs]);
        return Number(rows[0]?.next) === messages.length ? rows : null;
      },
      { withinMs: 150_000, everyMs: 100 },
    );
    assert.ok(done);
    const { rows: parked } = await db.query(
      `SELECT log_offset, reason, convert_from(value, 'UTF8') AS value FROM dead_letters ORDER BY 1`,
    );
    assert.deepEqual(parked, [
      { log_offset: 1, reason: 'ends_the_process', value: 'exit' },
      { log_offset: 4, reason: 'ends_the_process', value: 'hang' },
      { log_offset: 5, reason: 'decode_failed', value: 'no CloudEvent' },
    ]);
    const { rows: stored } = await db.query(
      `SELECT l.topic, count(*)::int AS n FROM processed_events JOIN logs l USING (log_id) GROUP BY 1`,
    );
    assert.deepEqual(
      new Map(stored.map(({ topic, n }) => [topic, n])),
      new Map([
        [ours, 30],
        [theirs, 3],
      ]),
    );
    const { rows: gaps } = await db.query('SELECT from_offset, reason FROM log_gaps');
    assert.deepEqual(gaps, [{ from_offset: 3, reason: 'ignored' }]);
    assert.ok(state.deaths >= 4, `${state.deaths} deaths`);
    // The sessions of the processes that died end now, and the groups rebalance once more.
    const at = `http://127.0.0.1:${PORTS.CONSUMER_PORT}`;
    await until('health has the partitions of both topics', async () => {
      const answer = await fetch(`${at}/health`);
      const { partitions } = (await answer.json()) as { partitions: { topic: string }[] };
      return new Set(partitions.map(({ topic }) => topic)).size === 2;
    });
    const lagOfTheirs = new RegExp(`orderonce_lag_records{topic="${theirs}",partition="1"} 0`);
    await until('the gauges name the topic', async () => {
      return lagOfTheirs.test(await (await fetch(`${at}/metrics`)).text());
    });
    await stop();
    const command = async (...words: string[]) => {
      const run = new Orderonce(t, words, env, folder);
      return { code: await run.exit(), output: run.output };
    };
    const verified = await command('verify', '--against-log');
    assert.match(verified.output, /38 offsets compared[\s\S]*Proven/);
    const lag = await command('lag');
    assert.match(lag.output, new RegExp(`${theirs}/1`));
    assert.match(lag.output, /^0 records of /m);
    const noTopic = await command('positions', 'accept-gap', '1', '--reason', 'test');
    assert.match(noTopic.output, /--topic must be one of/);
  });

  it('is refused by name where the settings leave nothing to decode, or nobody to write it', async (t) => {
    const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    const refused = async (more: Record<string, string>) => {
      const service = new Orderonce(t, ['consumer'], { ...PORTS, ...env, ...more });
      assert.notEqual(await service.exit(), 0);
      return service.output;
    };
    assert.match(
      await refused({ KAFKA_TOPICS: 'a,b' }),
      /KAFKA_TOPICS needs KAFKA_BOOTSTRAP_SERVERS/,
    );
    assert.match(await refused({ DECODE_MODULE: EXAMPLE }), /DECODE_MODULE has nothing to decode/);
    assert.match(await refused({ KAFKA_TOPICS: 'a b' }), /names of topics separated by commas/);
  });
});
