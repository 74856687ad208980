/**
 * Runs a real Kafka broker for development and tests, without containers. Maven fetches the jars of
 * the broker; Java 17 or newer runs them. The default is Kafka 4 with KRaft.
 *
 *   npm run kafka                          on localhost:9092, with its data in .orderonce/kafka
 *   npm run kafka -- --wipe                starts with an empty log
 *   npm run kafka -- --mode zookeeper      Kafka 3.9 with ZooKeeper (kraft-3.9: without it)
 *   npm run kafka -- --port 9192 --data DIR
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Admin } from '@platformatic/kafka';
import { pause } from '../../src/runtime/backoff.ts';
import { onStopRequest } from '../../src/runtime/stop-request.ts';
import { brokerProperties, scramFlags, toProperties } from './broker-properties.ts';
import { fetchJars } from './jars.ts';
import { BROKER_MODES, type BrokerMode, type BrokerOptions, VERSIONS } from './options.ts';

const START_MS = 60_000;
const ATTEMPTS_MAX = 8;

/** Whether this machine can run a broker: Java 17 or newer, and Maven. */
export function canRunBroker(): boolean {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  const major = Number(/version "(\d+)/.exec(java.stderr ?? '')?.[1] ?? 0);
  return major >= 17 && spawnSync('mvn', ['-v']).status === 0;
}

export class Broker {
  readonly bootstrap: string;
  readonly #options: BrokerOptions;
  readonly #jars: string;
  #processes: ChildProcess[] = [];

  private constructor(options: BrokerOptions, jars: string) {
    this.#options = options;
    this.#jars = jars;
    this.bootstrap = `127.0.0.1:${options.port}`;
  }

  get pid(): number {
    return this.#processes.at(-1)?.pid as number;
  }

  /** Resolves once the broker answers. */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options, await fetchJars(options));
    await broker.#prepare();
    await broker.restart();
    return broker;
  }

  get port(): number {
    return this.#options.port;
  }

  /** Starts the processes (again) on the same data and waits until the broker answers. */
  async restart(): Promise<void> {
    const { folder, mode } = this.#options;
    if (mode === 'zookeeper') {
      await this.#launch('org.apache.zookeeper.server.quorum.QuorumPeerMain', 'zookeeper');
    }
    const diedAs = () => {
      const died = this.#processes.find((p) => p.exitCode !== null || p.signalCode !== null);
      return died === undefined ? null : `a process ended; see ${folder}/server.log`;
    };
    for (let attempt = 1; ; attempt++) {
      await this.#launch('kafka.Kafka', 'server');
      try {
        return await untilAnswers(this.bootstrap, diedAs);
      } catch (error) {
        // With ZooKeeper, a restarted broker ends immediately while its old session still exists.
        if (mode !== 'zookeeper' || attempt === ATTEMPTS_MAX) throw error;
        this.#processes.pop();
        await pause(500);
      }
    }
  }

  /**
   * Suspends the broker until resume(); its connections stay open. Resolves when it is suspended.
   */
  async freeze(): Promise<void> {
    const broker = this.#processes.at(-1) as ChildProcess;
    broker.kill('SIGSTOP');
    // The signal takes a moment to reach every thread. After that the state in proc(5) is "T".
    while (process.platform === 'linux' && stateOf(broker) !== 'T') await pause(5);
  }

  resume(): void {
    this.#processes.at(-1)?.kill('SIGCONT');
  }

  /** Kills the broker with SIGKILL and stops ZooKeeper cleanly. restart() starts both again. */
  async crash(): Promise<void> {
    const broker = this.#processes.pop() as ChildProcess;
    broker.kill('SIGKILL');
    await exited(broker);
    await this.stop();
  }

  /** Stops cleanly, and kills what has not ended after 10 s. A second call has no effect. */
  async stop(): Promise<void> {
    for (const process of this.#processes.splice(0).reverse()) {
      process.kill('SIGCONT');
      process.kill('SIGTERM');
      const force = setTimeout(() => process.kill('SIGKILL'), 10_000);
      await exited(process);
      clearTimeout(force);
    }
  }

  async #launch(mainClass: string, name: string): Promise<void> {
    const { folder } = this.#options;
    const log = await open(join(folder, `${name}.log`), 'a');
    const child = spawn(
      'java',
      [
        '-Xmx512m',
        '-XX:+UseSerialGC',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-cp',
        join(this.#jars, '*'),
        mainClass,
        join(folder, `${name}.properties`),
      ],
      { stdio: ['ignore', log.fd, log.fd], detached: true },
    );
    await log.close();
    this.#processes.push(child);
  }

  async #prepare(): Promise<void> {
    const { folder, mode, port } = this.#options;
    await mkdir(folder, { recursive: true });
    const properties = join(folder, 'server.properties');
    await writeFile(properties, toProperties(brokerProperties(this.#options)));
    if (mode === 'zookeeper') {
      const settings = {
        dataDir: join(folder, 'zookeeper'),
        clientPort: port + 10_000,
        // The shortest possible session is two ticks.
        tickTime: 500,
        clientPortAddress: '127.0.0.1',
        'admin.enableServer': false,
      };
      await writeFile(join(folder, 'zookeeper.properties'), toProperties(settings));
    } else if (!existsSync(join(folder, 'log', 'meta.properties'))) {
      const classPath = join(this.#jars, '*');
      const tool = ['-cp', classPath, 'kafka.tools.StorageTool'];
      const id = this.#options.member?.clusterId ?? randomClusterId();
      const scram = scramFlags(this.#options.secure);
      const format = spawnSync('java', [...tool, 'format', '-t', id, '-c', properties, ...scram]);
      if (format.status !== 0) throw new Error(`Kafka storage format failed: ${format.stderr}`);
    }
  }
}

/** 16 random bytes, as StorageTool's random-uuid prints them. */
export function randomClusterId(): string {
  // The tool would read an id that begins with a dash as a flag.
  return `A${randomBytes(16).toString('base64url').slice(1)}`;
}

async function untilAnswers(bootstrap: string, whyNot: () => string | null): Promise<void> {
  const giveUpAt = performance.now() + START_MS;
  while (performance.now() < giveUpAt) {
    const reason = whyNot();
    if (reason !== null) throw new Error(`Kafka does not start: ${reason}`);
    const admin = new Admin({
      clientId: 'probe',
      bootstrapBrokers: [bootstrap],
      retries: 0,
      connectTimeout: 500,
      requestTimeout: 1000,
    });
    try {
      const { brokers } = await admin.metadata({ topics: [] });
      if (brokers.size > 0) return;
    } catch {
      // The broker does not answer yet.
    } finally {
      await admin.close().catch(() => {});
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`Kafka did not answer on ${bootstrap} within ${START_MS / 1000} s`);
}

function stateOf({ pid }: ChildProcess): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((done) => child.once('exit', done));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9092' },
      data: { type: 'string', default: '.orderonce/kafka' },
      wipe: { type: 'boolean', default: false },
      mode: { type: 'string', default: 'kraft' },
    },
  });
  if (!canRunBroker()) throw new Error('Kafka needs Java 17 or newer, and Maven');
  const mode = values.mode as BrokerMode;
  if (!BROKER_MODES.includes(mode))
    throw new Error(`--mode must be one of ${BROKER_MODES.join(', ')}, not "${mode}"`);
  const folder = resolve(`${values.data}-${mode}`);
  if (values.wipe) await rm(folder, { recursive: true, force: true });
  const say = console.log;
  const broker = await Broker.start({ port: Number(values.port), folder, mode, say });
  say(
    `Kafka ${VERSIONS[mode]} (${mode}) on ${broker.bootstrap}, data in ${folder}. Ctrl-C stops it.`,
  );
  say(`  KAFKA_BOOTSTRAP_SERVERS=localhost:${values.port} npm start`);
  onStopRequest(() => void broker.stop().then(() => process.exit(0)));
}

if (isMain()) {
  await main().catch((error: Error) => {
    console.error(`kafka: ${error.message}`);
    process.exit(1);
  });
}

function isMain(): boolean {
  return fileURLToPath(import.meta.url) === resolve(process.argv[1] ?? '');
}
