/**
 * Measures the whole path: producer, Kafka, consumer, PostgreSQL.
 *
 * 1. The maximum rate, under a closed loop while the consumer runs.
 * 2. Open loops at shares of that rate: the time until the effect of an event is visible in
 *    PostgreSQL, counted from when its request was due and from when its 202 arrived.
 * 3. For comparison, Kafka alone at a quarter of the rate: the time from produce to fetch.
 *
 * A run counts only if each accepted event took effect once.
 */
import type { Pool } from '../src/store/pool.ts';
import { cpuSecondsOf, cpuSecondsOfFamily } from './cpu.ts';
import { freshDatabase, openPool } from './databases.ts';
import { assertComplete, countAll } from './drain.ts';
import { type Percentiles, percentiles } from './percentiles.ts';
import { runScript } from './script.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess, untilHealthy } from './service-process.ts';
import { VisibilityWatch } from './visibility-watch.ts';

const PORTS = { producer: 18_400, consumer: 18_401 };
const SHARES = [10, 25, 50, 75, 90];
const CONNECTIONS = 64;
/** See ingest.ts. */
export const WARM_UP_SECONDS = 8;
const NOTHING = { stored: 0, duplicates: 0, effects: 0 };

type Since = 'sinceDue' | 'sinceAccepted';
type Accepted = { due: number[]; answered: number[]; partition: number[]; offset: number[] };

/** Latencies are in milliseconds, rates in events per second. */
export async function endToEnd(servers: Servers, seconds: number, round: number) {
  const pipeline = await Pipeline.start(servers, `end_to_end_${process.pid}_${round}`);
  try {
    await pipeline.saturate(WARM_UP_SECONDS);
    const { perSecond: most, cpu } = await pipeline.saturate(seconds);
    const result: Record<string, number> = { most_per_second: most, ...cpu };
    for (const share of SHARES) {
      const rate = Math.round((most * share) / 100);
      const { sinceDue, sinceAccepted } = await pipeline.openLoop(rate, seconds);
      add(result, `load_${share}`, sinceDue);
      add(result, `load_${share}_accepted`, sinceAccepted);
    }
    const raw = `${pipeline.topic}_raw`;
    const words = [servers.bootstrap, raw, Math.round(most / 4), seconds];
    add(result, 'kafka_alone', await runScript<Percentiles>('raw-kafka.ts', words));
    for (const p of ['p50', 'p99']) {
      const alone = result[`kafka_alone_${p}_ms`] as number;
      for (const load of ['load_25', 'load_25_accepted']) {
        result[`${load}_to_kafka_alone_${p}`] = (result[`${load}_${p}_ms`] as number) / alone;
      }
    }
    return result;
  } finally {
    await pipeline.stop();
  }
}

function add(result: Record<string, number>, name: string, latencies: Percentiles): void {
  for (const [p, ms] of Object.entries(latencies)) result[`${name}_${p}_ms`] = ms;
}

/** A producer and a consumer process, with their own topic and database. */
export class Pipeline {
  readonly topic: string;
  readonly pool: Pool;
  readonly #servers: Servers;
  readonly #producer: ServiceProcess;
  readonly #consumer: ServiceProcess;
  #accepted = 0;

  static async start(servers: Servers, topic: string): Promise<Pipeline> {
    const env = {
      DATABASE_URL: await freshDatabase(servers, topic),
      KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
      KAFKA_TOPIC: topic,
      KAFKA_GROUP_ID: topic,
      PRODUCER_PORT: String(PORTS.producer),
      CONSUMER_PORT: String(PORTS.consumer),
    };
    await ServiceProcess.command('migrate', env).ended();
    const pipeline = new Pipeline(servers, topic, env);
    await untilHealthy(PORTS.producer);
    await untilHealthy(PORTS.consumer);
    return pipeline;
  }

  private constructor(servers: Servers, topic: string, env: Record<'DATABASE_URL', string>) {
    this.topic = topic;
    this.#servers = servers;
    this.pool = openPool(env.DATABASE_URL);
    this.#producer = ServiceProcess.command('producer', env);
    this.#consumer = ServiceProcess.command('consumer', env);
  }

  get pids(): Record<string, number> {
    const { brokerPid: broker, databasePid: postgres } = this.#servers;
    return { producer: this.#producer.pid, consumer: this.#consumer.pid, broker, postgres };
  }

  /**
   * Sends events as fast as they are accepted, and waits until all are visible.
   * @returns events per second, and the CPU time per event of each process in microseconds.
   */
  async saturate(seconds: number) {
    const before = this.#cpuSeconds();
    const started = performance.now();
    const load = await runScript<{ statuses: Record<string, number>; cpu_seconds: number }>(
      'load.ts',
      [PORTS.producer, CONNECTIONS, seconds, 1],
    );
    const accepted = load.statuses['202'] ?? 0;
    await this.#allVisible(accepted);
    const elapsed = (performance.now() - started) / 1000;
    const after = this.#cpuSeconds();
    const used = { ...Object.fromEntries(after), generator: load.cpu_seconds };
    const cpu = Object.fromEntries(
      Object.entries(used).map(([name, end]) => [
        `${name}_cpu_us`,
        ((end - (before.get(name) ?? 0)) / accepted) * 1e6,
      ]),
    );
    return { perSecond: Math.round(accepted / elapsed), cpu };
  }

  /** Sends events at a constant rate. @returns the time until they were visible, in ms. */
  async openLoop(rate: number, seconds: number): Promise<Record<Since, Percentiles>> {
    const watch = await VisibilityWatch.start(this.pool);
    const accepted = await this.#sendAll(rate, seconds).finally(() => watch.stop());
    const since = (starts: readonly number[]) =>
      percentiles(
        starts.map((start, i) => {
          const [partition, offset] = [accepted.partition[i], accepted.offset[i]];
          return watch.visibleAt(partition as number, offset as number) - start;
        }),
      );
    return { sinceDue: since(accepted.due), sinceAccepted: since(accepted.answered) };
  }

  async #sendAll(rate: number, seconds: number): Promise<Accepted> {
    const { accepted, others } = await runScript<{ accepted: Accepted; others: number }>(
      'open-load.ts',
      [PORTS.producer, rate, seconds],
    );
    if (others > 0) {
      throw new Error(
        `The run does not count: ${others} of ${rate * seconds} events were not accepted`,
      );
    }
    await this.#allVisible(accepted.due.length);
    return accepted;
  }

  async #allVisible(accepted: number): Promise<void> {
    this.#accepted += accepted;
    const giveUpAt = performance.now() + 60_000;
    for (;;) {
      const { rows } = await this.pool.query(
        'SELECT coalesce(sum(next_offset), 0)::bigint AS n FROM consumer_positions',
      );
      if (rows[0].n >= this.#accepted) break;
      if (performance.now() > giveUpAt) {
        throw new Error('The run does not count: not all events were visible within 60 s');
      }
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  #cpuSeconds(): Map<string, number> {
    return new Map(
      Object.entries(this.pids).map(([name, pid]) => [
        name,
        name === 'postgres' ? cpuSecondsOfFamily(pid) : cpuSecondsOf(pid),
      ]),
    );
  }

  /** Stops both processes. @throws if an accepted event did not take effect exactly once. */
  async stop(): Promise<void> {
    const counts = await countAll(this.pool);
    await Promise.all([this.#producer.stop(), this.#consumer.stop()]);
    await this.pool.end();
    assertComplete(NOTHING, counts, this.#accepted);
  }
}
