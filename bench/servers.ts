/** The servers of all benchmarks: a real PostgreSQL and a real Kafka, on new and empty folders. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, canRunBroker } from '../dev/kafka/broker.ts';
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts';

/** Denotes the embedded log: as in the settings, an empty address means "no Kafka". */
export const EMBEDDED = '';
const KAFKA_PORT = 19_392;

/** The running servers. */
export type Servers = {
  readonly databaseUrl: string;
  /** Process id of the postmaster. */
  readonly databasePid: number;
  /** Address of Kafka; EMBEDDED for the log in PostgreSQL. */
  readonly bootstrap: string;
  readonly brokerPid: number;
  stop(): Promise<void>;
};

/** Starts both servers. The caller must call stop(), which also deletes their data. */
export async function startServers(): Promise<Servers> {
  if (!canRunBroker()) throw new Error('Benchmarks run Kafka. Install Java 17 and Maven');
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
