/**
 * Runs Kafka's Java client beside ours. Its time to recover from a failure is the measure for ours.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fetchJars } from '../../dev/kafka/jars.ts';
import { Acknowledgements } from './acknowledgements.ts';

const PROGRAM = fileURLToPath(new URL('JavaSteadyProducer.java', import.meta.url));

/** Runs until the test ends. @returns its acknowledgements, which are added as they arrive. */
export async function startJavaProducer(
  t: TestContext,
  bootstrap: string,
  topic: string,
  partitions: number,
): Promise<Acknowledgements> {
  const jars = await fetchJars({ mode: 'kraft' });
  const flags = ['-Xmx256m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=off'];
  const words = [...flags, '-cp', join(jars, '*'), PROGRAM, bootstrap, topic, String(partitions)];
  const child = spawn('java', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  const acknowledged = new Acknowledgements();
  createInterface(child.stdout).on('line', (line) => {
    const [partition, time] = line.split(' ').map(Number) as [number, number];
    acknowledged.note(partition, time);
  });
  return acknowledged;
}
