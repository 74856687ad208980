/**
 * Ingest: one producer process in front of Kafka (acks=all) under a closed loop of 64 connections.
 * A run counts only if the topic holds exactly the accepted events.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { KafkaReader } from '../src/log/kafka-reader.ts';
import { createTopic } from '../src/log/kafka-topic.ts';
import type { Servers } from './servers.ts';
import { ServiceProcess } from './service-process.ts';

const PORT = 18_400;
const PARTITIONS = 6;
const WARM_UP_SECONDS = 3;

export type IngestResult = {
  readonly accepted: number;
  readonly accepted_per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly producer_cpu_us_per_event: number;
  readonly generator_cpu_us_per_event: number;
};

type Load = {
  readonly statuses: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly cpu_seconds: number;
};

export async function ingest(
  servers: Servers,
  options: { connections: number; seconds: number; round: number; perRequest: number },
): Promise<IngestResult> {
  const { connections, seconds, round, perRequest } = options;
  const topic = `ingest_${process.pid}_${round}_${perRequest}`;
  const kafka = { bootstrapServers: servers.bootstrap, topic, clientId: 'bench' };
  await createTopic(kafka, { partitions: PARTITIONS, replicas: -1 });
  const producer = new ServiceProcess('producer', {
    KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap,
    KAFKA_TOPIC: topic,
    PRODUCER_PORT: String(PORT),
  });
  try {
    await untilReady();
    const warmUp = await load(connections, WARM_UP_SECONDS, perRequest);
    const cpuBefore = producer.cpuSeconds();
    const run = await load(connections, seconds, perRequest);
    const cpu = producer.cpuSeconds() - cpuBefore;
    const acceptedIn = (statuses: Load['statuses']) => (statuses['202'] ?? 0) * perRequest;
    const accepted = acceptedIn(run.statuses);
    const answers = JSON.stringify(run.statuses);
    if (Object.keys(run.statuses).length !== 1) throw new Error(`Not all accepted: ${answers}`);
    await assertInLog(kafka, accepted + acceptedIn(warmUp.statuses));
    return {
      accepted,
      accepted_per_second: Math.round(accepted / run.seconds),
      p50_ms: run.p50_ms,
      p99_ms: run.p99_ms,
      producer_cpu_us_per_event: (cpu / accepted) * 1e6,
      generator_cpu_us_per_event: (run.cpu_seconds / accepted) * 1e6,
    };
  } finally {
    await producer.stop();
  }
}

async function untilReady(): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${PORT}/health`).catch(() => null);
    if (answer?.status === 200) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('The producer did not become ready');
}

async function load(connections: number, seconds: number, perRequest: number): Promise<Load> {
  const script = fileURLToPath(new URL('load.ts', import.meta.url));
  const words = [PORT, connections, seconds, perRequest].map(String);
  const child = spawn(process.execPath, [script, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await once(child, 'close');
  return JSON.parse(said);
}

async function assertInLog(
  kafka: { bootstrapServers: string; topic: string; clientId: string },
  accepted: number,
): Promise<void> {
  const reader = new KafkaReader({ ...kafka, groupId: kafka.topic, sessionTimeoutMs: 6000 });
  const bounds = await reader.bounds([...Array(PARTITIONS).keys()]);
  await reader.close(1000);
  const records = [...bounds.values()].reduce((sum, { start, end }) => sum + end - start, 0);
  if (records !== accepted) throw new Error(`${accepted} accepted, ${records} records in the log`);
}
