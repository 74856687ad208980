/** What every benchmark runs against: a real PostgreSQL and a real Kafka, on data of their own. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, canRunBroker } from '../dev/kafka/broker.ts';
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts';

/** As in our settings, no address means the embedded log. */
export const EMBEDDED = '';
const KAFKA_PORT = 19_392;

export type Servers = {
  readonly databaseUrl: string;
  /** Of the server's first process. */
  readonly databasePid: number;
  /** Kafka's, or EMBEDDED for the log in PostgreSQL. */
  readonly bootstrap: string;
  readonly brokerPid: number;
  stop(): Promise<void>;
};

export async function startServers(): Promise<Servers> {
  if (!canRunBroker()) throw new Error('Benchmarks need Java 17 and Maven, for Kafka');
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-bench-'));
  const say = (line: string) => console.error(line);
  const home = join(folder, 'postgres');
  const postgres = await startEmbeddedPostgres(home, say);
  const data = join(home, 'postgres');
  const kafka = { port: KAFKA_PORT, folder: join(folder, 'kafka'), mode: 'kraft', say } as const;
  const broker = await Broker.start(kafka);
  return {
    databaseUrl: postgres.url,
    databasePid: Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]),
    bootstrap: broker.bootstrap,
    brokerPid: broker.pid,
    stop: async () => {
      await broker.stop();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
