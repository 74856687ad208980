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
/** After this time a consumer has joined its group and compiled its code. */
const WARM_MS = 20_000;
let runs = 0;

/** @param seconds how long each of the two measurements takes. */
export async function proof(
  servers: Servers,
  { rate, seconds, round }: { rate: number; seconds: number; round: number },
): Promise<ProofResult> {
  const results: Partial<Record<'on' | 'off', Measured>> = {};
  for (const PROOF of round % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
    results[PROOF] = await measure(servers, { PROOF, rate, seconds });
  }
  const { on, off } = results as Record<'on' | 'off', Measured>;
  return {
    off_cpu_share: off.all,
    on_cpu_share: on.all,
    proof_cpu_share: on.own,
    behind_records: on.behind,
    findings: on.findings,
  };
}

type Measured = { all: number; own: number; behind: number; findings: number };

/** Each measurement has a database and topic of its own, so that none finds the backlog of another. */
async function measure(
  servers: Servers,
  { PROOF, rate, seconds }: { PROOF: 'on' | 'off'; rate: number; seconds: number },
): Promise<Measured> {
  const topic = `proof_${process.pid}_${++runs}`;
  const env = {
    DATABASE_URL: await freshDatabase(servers, topic),
    KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
    KAFKA_TOPIC: topic,
    KAFKA_GROUP_ID: topic,
    CONSUMER_PORT: '0',
    PROOF,
  };
  const pool = openPool(env.DATABASE_URL);
  await ServiceProcess.command('migrate', env).ended();
  const consumer = ServiceProcess.command('consumer', env);
  const load = startLoad(servers, topic, rate);
  try {
    await pause(WARM_MS);
    // Otherwise the planner knows nothing of the tables until autovacuum comes for the first time.
    await pool.query('ANALYZE');
    const cpu = async () => ({
      all: consumer.cpuSeconds() + cpuSecondsOfFamily(servers.databasePid),
      own: PROOF === 'on' ? cpuSecondsOf(await pidOfProof(pool)) : 0,
    });
    const [before, began] = [await cpu(), performance.now()];
    await pause(seconds * 1000);
    const [after, took] = [await cpu(), (performance.now() - began) / 1000];
    const share = (part: 'all' | 'own') => ((after[part] - before[part]) / took) * 100;
    const { rows } = await pool.query<{ findings: number; behind: number }>(
      `SELECT (SELECT count(*) FROM proof_findings)::int AS findings,
              sum(next_offset - coalesce(head_to, 0))::int AS behind
         FROM consumer_positions LEFT JOIN proof_progress USING (log_id, log_partition)`,
    );
    return { all: share('all'), own: share('own'), ...(rows[0] as (typeof rows)[number]) };
  } finally {
    await load.stop();
    await consumer.stop();
    await pool.end();
  }
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
  const nextRecord = recordSource('m');
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
