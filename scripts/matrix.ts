/**
 * Runs the suites that need real servers on each supported combination of Kafka and PostgreSQL:
 *
 *   npm run matrix                 runs all combinations; lists those that this machine cannot run
 *   npm run matrix -- zookeeper    runs the combinations whose name contains the word
 *
 * The tests that use Kafka run on each combination, the others once on each version of PostgreSQL. Exit code 1 if a suite fails or no combination was chosen.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tableOf } from '../src/commands/table.ts';

const DEBIANS_15 = '/usr/lib/postgresql/15/bin';

type Combination = {
  readonly name: string;
  readonly flags: readonly string[];
  readonly words: readonly string[];
};

/** The end-to-end tests that use Kafka; the others run on the embedded log. */
const ON_KAFKA = ['.kafka.test.ts', 'account.long', 'kill.e2e', 'outage.e2e'];
const ON_BOTH = ['.kafka.test.ts', '.e2e.test.ts', '.pg.test.ts'];
const COMBINATIONS: readonly Combination[] = [
  { name: 'Kafka 4.4 (KRaft), PostgreSQL 18', flags: [], words: ON_BOTH },
  { name: 'Kafka 3.9 (KRaft), PostgreSQL 18', flags: ['--kafka=kraft-3.9'], words: ON_KAFKA },
  {
    name: 'Kafka 3.9 with ZooKeeper, PostgreSQL 18',
    flags: ['--kafka=zookeeper'],
    words: ON_KAFKA,
  },
  {
    name: 'Kafka 4.4 (KRaft), PostgreSQL 15',
    flags: [`--postgres=${DEBIANS_15}`],
    words: ON_BOTH,
  },
];

const wanted = process.argv.slice(2);
const chosen = COMBINATIONS.filter(({ name }) =>
  wanted.every((word) => name.toLowerCase().includes(word.toLowerCase())),
);
const rows = chosen.map((combination) => [combination.name, ...run(combination)]);
console.log(`\n${tableOf(['combination', 'result', 'seconds'], rows)}`);
process.exitCode = rows.some(([, result]) => result === 'FAILED') || rows.length === 0 ? 1 : 0;

function run({ flags, words }: Combination): [string, number] {
  if (flags.some((flag) => flag.endsWith(DEBIANS_15)) && !existsSync(DEBIANS_15)) {
    return ['not on this machine', 0];
  }
  const started = performance.now();
  const runner = fileURLToPath(new URL('../test/run.ts', import.meta.url));
  const child = spawnSync(process.execPath, [runner, ...flags, ...words], {
    stdio: 'inherit',
    env: { ...process.env, CI: 'true' },
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  return [child.status === 0 ? 'passed' : 'FAILED', seconds];
}
