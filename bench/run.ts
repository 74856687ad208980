/**
 * Runs benchmarks on real Kafka and PostgreSQL. bench/README.md explains method and figures.
 *
 *   npm run bench                            runs the ladder: ingest, kafka, sink, end-to-end
 *   npm run bench -- drain --rounds 3        runs the named benchmarks. Others: embedded, ways,
 *                                            mixes, growth, tuning, tracing, typed, verify,
 *                                            proof, routes, post, memory
 *   npm run bench -- drain without           alternates the drain with one without the proof
 *   npm run bench -- drain --against DIR     alternates drain or post with that of another checkout
 *   npm run bench -- --keep bench/results    writes JSON and charts to this folder
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bar, barChart, lineChart } from './chart.ts';
import { drain } from './drain.ts';
import { embedded } from './embedded.ts';
import { endToEnd, Pipeline } from './end-to-end.ts';
import { growth, mixes, tuning } from './growth.ts';
import { ingest, ofKafka } from './ingest.ts';
import { backlog, soak } from './memory.ts';
import { proof } from './proof.ts';
import { routes } from './routes.ts';
import { runScript } from './script.ts';
import { startServers } from './servers.ts';
import { sink } from './sink.ts';
import { tracing } from './tracing.ts';
import { typed } from './typed.ts';
import { verify } from './verify.ts';
import { ways } from './ways.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '500000' },
    'verify-events': { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    'soak-rate': { type: 'string', default: '2000' },
    'soak-seconds': { type: 'string', default: '600' },
    'backlog-events': { type: 'string', default: '5000000' },
    against: { type: 'string' },
    keep: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const events = Number(values.events);
const seconds = Number(values.seconds);
const WARM_UP_SECONDS = 30;
const LADDER = ['ingest', 'kafka', 'sink', 'end-to-end'];
const names = positionals.length === 0 ? LADDER : positionals;

const servers = await startServers();
const load = (round: number) => ({ connections: Number(values.connections), seconds, round });
let posts = 0;
async function post(round: number, tree: string | undefined): Promise<Result> {
  const topic = `post_${process.pid}_${++posts}`;
  const { perSecond, cpuUs } = await ofKafka(servers, topic, load(round), 1, {}, tree);
  return { requests_per_second: perSecond, cpu_us: cpuUs };
}
type Result = Readonly<Record<string, number>>;
const MEASURES: Readonly<Record<string, (round: number) => Promise<Result>>> = {
  ingest: (round) => ingest(servers, load(round)),
  kafka: (round) =>
    runScript('kafka.ts', [servers.bootstrap, `kafka_${process.pid}_${round}`, events]),
  sink: (round) => sink(servers, events, round),
  'end-to-end': (round) => endToEnd(servers, seconds, round),
  drain: () => drain(servers, { events }),
  'other-drain': () => drain(servers, { events, tree: values.against as string }),
  mixes: () => mixes(servers, events),
  growth: () => growth(servers, events),
  embedded: (round) => embedded(servers, { events, seconds, round }),
  tuning: () => tuning(servers, events),
  tracing: () => tracing(servers, events),
  typed: (round) => typed(servers, { ...load(round), events }),
  post: (round) => post(round, undefined),
  'other-post': (round) => post(round, values.against),
  ways: (round) => ways(servers, events, round),
  proof: (round) => proof(servers, { rate: Number(values['soak-rate']), seconds, round }),
  without: () => drain(servers, { events, settings: { PROOF: 'off' } }),
  routes: () => routes(servers, Number(values['verify-events'])),
  verify: (round) => verify(servers, Number(values['verify-events']), round),
};
if (values.against !== undefined) {
  names.push(...names.filter((name) => MEASURES[`other-${name}`]).map((name) => `other-${name}`));
}

const results: Record<string, Result[]> = {};
try {
  if (!names.every((name) => ['verify', 'routes'].includes(name))) await warmUp();
  if (names.includes('memory')) await measureMemory();
  const measured = names.filter((name) => name !== 'memory');
  // Rounds are interleaved, so that a slow phase of the machine affects all benchmarks.
  for (let round = 1; round <= Number(values.rounds) && measured.length > 0; round++) {
    for (const name of measured) {
      const measure = MEASURES[name];
      if (measure === undefined) {
        throw new Error(`Unknown benchmark "${name}". Known: ${Object.keys(MEASURES).join(', ')}`);
      }
      const result = await measure(round);
      results[name] = [...(results[name] ?? []), result];
      console.error(`${name} ${round}: ${JSON.stringify(result)}`);
    }
  }
} finally {
  await servers.stop();
}
await report();

/** The JVM of a fresh broker spends most of its CPU time on compiling, so it gets load first. */
async function warmUp(): Promise<void> {
  console.error(`Warming up for ${WARM_UP_SECONDS} s`);
  const pipeline = await Pipeline.start(servers, `warm_up_${process.pid}`);
  await pipeline.saturate(WARM_UP_SECONDS);
  await pipeline.stop();
}

async function measureMemory(): Promise<void> {
  const drained = await backlog(servers, Number(values['backlog-events']));
  await keep('memory-backlog.svg', lineChart('Memory while a backlog is drained', 'MiB', drained));
  const soaked = await soak(servers, Number(values['soak-rate']), Number(values['soak-seconds']));
  await keep('memory-soak.svg', lineChart('Memory under steady load', 'MiB', soaked));
  await keep('memory.json', JSON.stringify({ backlog: drained, soak: soaked }));
}

async function report(): Promise<void> {
  const medians = Object.fromEntries(
    Object.entries(results).map(([name, rounds]) => [name, mediansOf(rounds)]),
  );
  const rates = Object.values(medians)
    .flat()
    .filter(
      ({ label }) =>
        !/_(ms|us|seconds|bytes|share)$|_per_event$|_to_|^(seconds|events)$|_p\d+$/.test(label),
    );
  const bars = rates.map((bar) => ({ ...bar, label: bar.label.replaceAll('_', ' ') }));
  if (bars.length > 0) {
    const name = names === LADDER ? 'ladder' : names.join('-');
    await keep(`${name}.svg`, barChart('Per second: median and range', bars));
    await keep(`${name}.json`, JSON.stringify({ machine: machine(), results }, null, 1));
  }
  if (values.json) console.log(JSON.stringify(results));
  else for (const [name, list] of Object.entries(medians)) print(name, list);
}

async function keep(name: string, content: string): Promise<void> {
  if (values.keep !== undefined) await writeFile(join(values.keep, name), content);
}

function mediansOf(rounds: readonly Result[]): Bar[] {
  return Object.keys(rounds[0] ?? {}).map((label) => {
    const sorted = rounds.map((round) => round[label] as number).sort((a, b) => a - b);
    const [low, median, high] = [0, sorted.length >> 1, sorted.length - 1].map((i) => sorted[i]);
    return { label, median, low, high } as Bar;
  });
}

function print(name: string, list: readonly Bar[]): void {
  console.log(`\n${name}, median (lowest to highest) of ${results[name]?.length}`);
  const text = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 2 });
  for (const { label, median, low, high } of list) {
    console.log(`  ${label.padEnd(36)} ${text(median)}  (${text(low)} to ${text(high)})`);
  }
}

function machine(): string {
  return `${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}, Kafka 4, PostgreSQL 18`;
}
