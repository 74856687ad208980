/**
 * Measures what the continuous proof costs: events arrive at a steady rate, and the consumer runs
 * without it and with it. The CPU time of the proof's own connection is told apart.
 */
import { KafkaAppender } from '../src/log-kafka/appender.ts';
import type { Pool } from '../src/store/pool.ts';
import { cpuSecondsOf, cpuSecondsOfFamily } from './cpu.ts';
import { freshDatabase, openPool } from './databases.ts';
import { recordSource } from './mixes.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess } from './service-process.ts';

export type ProofResult = {
  /** CPU time of consumer and PostgreSQL, in percent of one core, without and with the proof. */
  readonly off_cpu_share: number;
  readonly on_cpu_share: number;
  /** CPU time of the PostgreSQL process that serves the proof, in percent of one core. */
  readonly proof_cpu_share: number;
  readonly behind_records: number;
  readonly findings: number;
};

const SENDS_PER_SECOND = 20;
let runs = 0;

/** @param seconds how long each of the two measurements takes. */
export async function proof(
  servers: Servers,
  { rate, seconds, round }: { rate: number; seconds: number; round: number },
): Promise<ProofResult> {
  const topic = `proof_${process.pid}_${++runs}`;
  const env = {
    DATABASE_URL: await freshDatabase(servers, topic),
    KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    CONSUMER_PORT: '0',
  };
  const pool = openPool(env.DATABASE_URL);
  await ServiceProcess.command('migrate', env).ended();
  const load = startLoad(servers, topic, rate);
  const measured = new Map<string, { all: number; own: number }>();
  try {
    const order = round % 2 === 0 ? ['on', 'off'] : ['off', 'on'];
    for (const PROOF of order) {
      const consumer = ServiceProcess.command('consumer', { ...env, PROOF });
      await pause(10_000);
      const cpu = async () => ({
        all: consumer.cpuSeconds() + cpuSecondsOfFamily(servers.databasePid),
        own: PROOF === 'on' ? cpuSecondsOf(await pidOfProof(pool)) : 0,
      });
      const [before, began] = [await cpu(), performance.now()];
      await pause(seconds * 1000);
      const [after, took] = [await cpu(), (performance.now() - began) / 1000];
      const share = (part: 'all' | 'own') => ((after[part] - before[part]) / took) * 100;
      measured.set(PROOF, { all: share('all'), own: share('own') });
      if (PROOF === 'off') await consumer.stop();
      else {
        const { rows } = await pool.query(
          'SELECT (SELECT count(*) FROM proof_findings) AS findings, sum(next_offset - coalesce(head_to, 0))::bigint AS behind FROM consumer_positions LEFT JOIN proof_progress USING (log_id, log_partition)',
        );
        measured.set('end', { all: rows[0].behind, own: rows[0].findings });
        await consumer.stop();
      }
    }
  } finally {
    await load.stop();
    await pool.end();
  }
  const of = (what: string) => measured.get(what) ?? { all: Number.NaN, own: Number.NaN };
  return {
    off_cpu_share: of('off').all,
    on_cpu_share: of('on').all,
    proof_cpu_share: of('on').own,
    behind_records: of('end').all,
    findings: of('end').own,
  };
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function pidOfProof(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'orderonce-proof' AND datname = current_database()`,
  );
  return rows[0]?.pid ?? 0;
}

function startLoad({ bootstrap }: Servers, topic: string, rate: number) {
  const appender = new KafkaAppender({ bootstrapServers: bootstrap, topic, clientId: 'bench' });
  const nextRecord = recordSource('distinct');
  const perSend = Math.round(rate / SENDS_PER_SECOND);
  const timer = setInterval(() => {
    void appender.append(Array.from({ length: perSend }, nextRecord)).catch(() => {});
  }, 1000 / SENDS_PER_SECOND);
  return {
    stop: async () => {
      clearInterval(timer);
      await appender.close(1000);
    },
  };
}
