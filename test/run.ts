/**
 * Runs the tests. It starts a real PostgreSQL (embedded) and, if Java and Maven are installed, a
 * real Kafka broker, and then runs node:test on all test files or on the given ones.
 *
 *   npm test                        everything that this machine can run
 *   npm test -- src/event           files in a folder, or files whose path contains the word
 *   npm run test:unit               unit tests only, which need no servers
 *   npm test -- .long.              tests on one broker that take minutes
 *   npm test -- .cluster.           tests with three brokers of their own; these take some minutes
 *   npm test -- .package.           the npm package: packs it, installs it, runs it, and the commands of the
 *                                   docs; needs the registry
 *   npm test -- --kafka=zookeeper   with another Kafka: kraft, kraft-3.9, zookeeper
 *   npm test -- --postgres=DIR      with the PostgreSQL whose programs are in DIR
 *
 * With CI=true Kafka and Chromium are required: without them the run fails instead of skipping tests.
 */
import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, canRunBroker } from '../dev/kafka/broker.ts';
import type { BrokerMode } from '../dev/kafka/options.ts';
import type { Binaries } from '../src/embedded/binaries.ts';
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts';
import { findChromium } from './support/chromium.ts';

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const flag = (name: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const kafkaMode = (flag('kafka') ?? 'kraft') as BrokerMode;
const postgresFolder = flag('postgres');
const isUnitOnly = process.argv.includes('--unit');
const KAFKA_PORT = 19_192;
/** Limit for the whole run; the tests need far less, apart from a soak that was asked for. */
const RUN_MS = (30 * 60 + Number(process.env.SOAK_SECONDS ?? 0)) * 1000;

const files = globSync([
  'src/**/*.test.ts',
  'test/**/*.test.ts',
  'scripts/**/*.test.ts',
  'examples/**/*.test.ts',
])
  .filter((file) => words.some((word) => file.includes(word)) || words.length === 0)
  .filter((file) => words.length > 0 || !/\.(long|cluster|package)\.test\.ts$/.test(file))
  .filter(
    (file) => !isUnitOnly || !/\.(pg|kafka|e2e|browser|long|cluster|package)\.test\.ts$/.test(file),
  )
  .filter((file) => !file.endsWith('.browser.test.ts') || hasChromium())
  .sort();
if (files.length === 0) {
  console.error('No test file matches');
  process.exit(1);
}

const needsServers = files.some((file) =>
  /\.(pg|kafka|e2e|browser|long|cluster)\.test\.ts$/.test(file),
);
const needsCluster = files.some((file) => file.endsWith('.cluster.test.ts'));
const needsKafka = files.some((file) => /\.(kafka|e2e|long)\.test\.ts$/.test(file));
const folder = await mkdtemp(join(tmpdir(), 'orderonce-test-'));
const env: Record<string, string | undefined> = {
  ...process.env,
  LOG_LEVEL: 'silent',
  // Each file is a process of its own, which would compile all that it imports again.
  NODE_COMPILE_CACHE: join(tmpdir(), 'orderonce-compile-cache'),
};
// Tests choose their own settings. Those of this shell must not affect them.
for (const name of ['DATABASE_URL', 'KAFKA_BOOTSTRAP_SERVERS']) delete env[name];
const running: { stop(): Promise<void> }[] = [];
let code = 1;
try {
  if (needsServers) {
    const postgres = await startEmbeddedPostgres(
      join(folder, 'postgres'),
      console.log,
      postgresFolder === undefined ? undefined : async () => programsIn(postgresFolder),
    );
    running.push(postgres);
    env.TEST_DATABASE_URL = postgres.url;
  }
  if (needsKafka && canRunBroker()) {
    const kafka = join(folder, 'kafka');
    const options = { port: KAFKA_PORT, folder: kafka, mode: kafkaMode, say: console.log } as const;
    const broker = await Broker.start(options);
    running.push(broker);
    env.TEST_KAFKA = broker.bootstrap;
    env.TEST_KAFKA_MODE = kafkaMode;
  } else if (needsKafka && process.env.CI === 'true') {
    throw new Error('CI needs Kafka: install Java 17 and Maven');
  } else if (needsKafka) {
    console.log('Kafka suites are skipped: they need Java 17 and Maven');
  }
  if (needsCluster && !canRunBroker()) throw new Error('A cluster needs Java 17 and Maven');
  code = await runNodeTest();
} catch (error) {
  console.error(error);
} finally {
  for (const server of running.reverse()) await server.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit(code);

function hasChromium(): boolean {
  if (findChromium() !== null) return true;
  if (process.env.CI === 'true') throw new Error('CI needs Chromium: install chromium');
  console.log('The console is not tested in a browser: that needs Chromium');
  return false;
}

function programsIn(folder: string): Binaries {
  const postgres = join(folder, 'postgres');
  const version = spawnSync(postgres, ['--version'], { encoding: 'utf8' }).stdout;
  return { initdb: join(folder, 'initdb'), postgres, major: /(\d+)/.exec(version)?.[1] ?? '' };
}

function runNodeTest(): Promise<number> {
  const isLong = needsCluster || files.some((file) => file.endsWith('.package.test.ts'));
  const timeoutMs = isLong ? 400_000 : 180_000;
  // Each file brings three brokers of its own, or builds the package in the same folder.
  const concurrency = isLong ? 1 : 2;
  // As the compiler does in a clone: imports of orderonce/... are those of src/.
  const source = '--conditions=orderonce-source';
  const flags = [
    '--test',
    source,
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${timeoutMs}`,
  ];
  const child = spawn(process.execPath, [...flags, '--test-reporter=spec', ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  const overdue = setTimeout(() => {
    console.error(
      'The run does not end: a test file keeps something open. See the last file above',
    );
    child.kill('SIGKILL');
  }, RUN_MS);
  return new Promise((done) => {
    child.once('exit', (status) => {
      clearTimeout(overdue);
      done(status ?? 1);
    });
  });
}
