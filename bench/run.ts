/**
 * Benchmarks on real Kafka and PostgreSQL; method in bench/README.md.
 *
 *   npm run bench                          drain, sink, ingest, batch and verify, 3 rounds each
 *   npm run bench -- drain --rounds 5      one of them
 *   npm run bench -- drain --against DIR   drain by turns with another checkout
 *   npm run bench -- --json > result.json
 */
import { parseArgs } from 'node:util';
import { drain } from './drain.ts';
import { ingest } from './ingest.ts';
import { startServers } from './servers.ts';
import { sink } from './sink.ts';
import { verify } from './verify.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '200000' },
    'verify-events': { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '10' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const wants = (name: string) => positionals.length === 0 || positionals.includes(name);
const results: Record<string, object[]> = {
  drain: [],
  other: [],
  ingest: [],
  batch: [],
  verify: [],
};

const servers = await startServers();
try {
  // Interleaved, so that a slow minute of the machine meets both.
  for (let round = 1; round <= Number(values.rounds); round++) {
    if (wants('drain')) report('drain', await drain(servers, { events: Number(values.events) }));
    if (wants('drain') && values.against !== undefined) {
      const options = { events: Number(values.events), tree: values.against };
      report('other', await drain(servers, options));
    }
    if (wants('sink')) report('sink', await sink(servers, Number(values.events), round));
    if (wants('ingest')) {
      const [connections, seconds] = [Number(values.connections), Number(values.seconds)];
      report('ingest', await ingest(servers, { connections, seconds, round, perRequest: 1 }));
    }
    if (wants('batch')) {
      const options = { connections: 4, seconds: Number(values.seconds), round, perRequest: 1000 };
      report('batch', await ingest(servers, options));
    }
    if (wants('verify'))
      report('verify', await verify(servers, Number(values['verify-events']), round));
  }
} finally {
  await servers.stop();
}
if (values.json) console.log(JSON.stringify(results));
else for (const [name, rounds] of Object.entries(results)) printMedians(name, rounds);

function report(name: string, result: object): void {
  results[name]?.push(result);
  console.error(`${name}: ${JSON.stringify(result)}`);
}

function printMedians(name: string, rounds: object[]): void {
  if (rounds.length === 0) return;
  console.log(`\n${name}, median (lowest to highest) of ${rounds.length}`);
  for (const key of Object.keys(rounds[0] as object)) {
    const sorted = rounds
      .map((round) => (round as Record<string, number>)[key] as number)
      .sort((a, b) => a - b);
    const [low, middle, high] = [0, sorted.length >> 1, sorted.length - 1].map((i) =>
      round(sorted[i]),
    );
    console.log(`  ${key.padEnd(30)} ${middle}  (${low} to ${high})`);
  }
}

function round(value: number | undefined): string {
  return value === undefined ? '' : value.toLocaleString('en', { maximumFractionDigits: 2 });
}
