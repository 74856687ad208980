/**
 * Measures ingest. In each round, one server at a time gets load from a closed loop of connections:
 * bare node:http; the API with a log that acknowledges immediately, with Kafka (acks=all; one
 * process and two) and with the embedded log; and the batch endpoint. A run of the API counts only
 * if every answer was 202 and the log holds exactly the accepted events.
 */

import type { LogReader } from '../src/log/event-log.ts';
import { EmbeddedReader } from '../src/log-embedded/embedded-log.ts';
import { KafkaReader } from '../src/log-kafka/reader.ts';
import { freshDatabase, openPool } from './databases.ts';
import { runScript } from './script.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess, TREE, untilHealthy } from './service-process.ts';

const PORT = 18_400;
/** V8 compiles a fresh service for seconds; the figures are for a service that runs for long. */
const WARM_UP_SECONDS = 8;
const BATCH = { connections: 4, perRequest: 1000 };

/** Options of one round. `round` makes the names of topics and databases unique. */
export type IngestOptions = {
  readonly connections: number;
  readonly seconds: number;
  readonly round: number;
  /** Default: `distinct`. */
  readonly mix?: 'distinct' | 'typed';
};

type Load = {
  readonly statuses: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly cpu_seconds: number;
};

type Measured = {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly load: Load;
  /** Events, including those of the warm-up. */
  readonly accepted: number;
};

/** Rates are in requests per second, for the batch endpoint in events per second. */
export async function ingest(servers: Servers, options: IngestOptions) {
  const bare = await underLoad(new ServiceProcess(`bench/bare-http.ts ${PORT}`), options);
  const parsing = new ServiceProcess(`bench/bare-http.ts ${PORT} parse`);
  const parse = await underLoad(parsing, options);
  const instant = new ServiceProcess(`bench/instant-api.ts ${PORT}`);
  const shell = await underLoad(instant, options);
  const name = `ingest_${process.pid}_${options.round}`;
  const kafka = await ofKafka(servers, `${name}_1`, options, 1);
  const two = await ofKafka(servers, `${name}_two`, options, 1, { PRODUCER_WORKERS: '2' });
  const embedded = await ofEmbedded(servers, `${name}_embedded`, options);
  const batch = await ofKafka(servers, `${name}_n`, { ...options, ...BATCH }, BATCH.perRequest);
  return {
    node_http: bare.perSecond,
    node_http_json: parse.perSecond,
    api_instant_log: shell.perSecond,
    api_kafka: kafka.perSecond,
    api_kafka_two_workers: two.perSecond,
    api_embedded: embedded.perSecond,
    batch_kafka: batch.perSecond,
    api_kafka_to_node_http_json: kafka.perSecond / parse.perSecond,
    batch_to_api_kafka: batch.perSecond / kafka.perSecond,
    node_http_json_cpu_us: parse.cpuUs,
    api_instant_log_cpu_us: shell.cpuUs,
    api_kafka_cpu_us: kafka.cpuUs,
    api_embedded_cpu_us: embedded.cpuUs,
    batch_kafka_cpu_us: batch.cpuUs,
    generator_cpu_us: (kafka.load.cpu_seconds / kafka.accepted) * 1e6,
    api_kafka_p50_ms: kafka.load.p50_ms,
    api_kafka_p99_ms: kafka.load.p99_ms,
    api_embedded_p50_ms: embedded.load.p50_ms,
    api_embedded_p99_ms: embedded.load.p99_ms,
  };
}

/** Posts to a producer with Kafka. @param tree the checkout whose code runs. */
export async function ofKafka(
  { bootstrap, databaseUrl }: Servers,
  topic: string,
  options: IngestOptions,
  perRequest: number,
  settings: Readonly<Record<string, string>> = {},
  tree = TREE,
): Promise<Measured> {
  const env = {
    ...settings,
    KAFKA_BOOTSTRAP_SERVERS: bootstrap,
    KAFKA_TOPIC: topic,
    DATABASE_URL: databaseUrl,
    PRODUCER_PORT: String(PORT),
  };
  await ServiceProcess.command('migrate', env, tree).ended();
  const producer = ServiceProcess.command('producer', env, tree);
  const measured = await underLoad(producer, options, perRequest);
  const reader = new KafkaReader({
    bootstrapServers: bootstrap,
    topic,
    clientId: 'bench',
    groupId: topic,
    sessionTimeoutMs: 6000,
  });
  await assertInLog(reader, measured.accepted);
  return measured;
}

async function ofEmbedded(
  servers: Servers,
  name: string,
  options: IngestOptions,
): Promise<Measured> {
  const url = await freshDatabase(servers, name);
  const env = { DATABASE_URL: url, PRODUCER_PORT: String(PORT) };
  await ServiceProcess.command('migrate', env).ended();
  const measured = await underLoad(ServiceProcess.command('producer', env), options);
  const pool = openPool(url);
  await assertInLog(new EmbeddedReader(pool, 'order_events'), measured.accepted);
  await pool.end();
  return measured;
}

async function underLoad(
  server: ServiceProcess,
  { connections, seconds, mix = 'distinct' }: IngestOptions,
  perRequest = 1,
): Promise<Measured> {
  try {
    await untilHealthy(PORT);
    const load = (s: number) => runScript<Load>('load.ts', [PORT, connections, s, perRequest, mix]);
    const acceptedIn = ({ statuses }: Load) => (statuses['202'] ?? 0) * perRequest;
    const warmUp = await load(WARM_UP_SECONDS);
    const cpuBefore = server.cpuSeconds();
    const run = await load(seconds);
    const cpu = server.cpuSeconds() - cpuBefore;
    const answers = JSON.stringify(run.statuses);
    if (Object.keys(run.statuses).length !== 1) {
      throw new Error(`The run does not count: not all events were accepted, ${answers}`);
    }
    return {
      perSecond: Math.round(acceptedIn(run) / run.seconds),
      cpuUs: (cpu / acceptedIn(run)) * 1e6,
      load: run,
      accepted: acceptedIn(run) + acceptedIn(warmUp),
    };
  } finally {
    await server.stop();
  }
}

async function assertInLog(reader: LogReader, accepted: number): Promise<void> {
  const { partitions } = await reader.identity();
  const bounds = await reader.bounds([...Array(partitions).keys()]);
  await reader.close(1000);
  const records = [...bounds.values()].reduce((sum, { start, end }) => sum + end - start, 0);
  if (records === accepted) return;
  throw new Error(`The run does not count: ${accepted} accepted, ${records} records in the log`);
}
