/**
 * A deployment for the demonstration of alerts: migrate, a producer, a consumer with the handlers of
 * examples/charge, and Prometheus. The log is the embedded one, with the producer behind a proxy to
 * PostgreSQL; or Kafka, on a broker of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Broker } from '../../dev/kafka/broker.ts';
import { startEmbeddedPostgres } from '../../src/embedded/embedded-postgres.ts';
import { createEmptyDatabase } from '../../test/support/database.ts';
import { freePort } from '../../test/support/free-port.ts';
import { Orderonce, untilHealthy } from '../../test/support/processes.ts';
import { Prometheus } from '../../test/support/prometheus.ts';
import { TcpProxy } from '../../test/support/tcp-proxy.ts';
import { until } from '../../test/support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** An event as a client sends it. */
export type Event = Readonly<Record<string, unknown>>;

export class Deployment {
  /** Removes everything, last first. It has the one method of a test that the helpers need. */
  readonly #cleanups: (() => unknown)[] = [];
  readonly #t = { after: (f: () => unknown) => this.#cleanups.push(f) } as unknown as TestContext;
  #env: Record<string, string> = {};
  #services: Partial<Record<'producer' | 'consumer', Orderonce>> = {};
  ports = { producer: 0, consumer: 0 };
  folder = '';
  prometheus!: Prometheus;
  db!: pg.Client;
  /** Between the producer and PostgreSQL, which has the log. */
  proxy!: TcpProxy;

  /** @param rules of Prometheus, as the text of a file. */
  async start(rules: string, log: 'embedded' | 'kafka'): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'orderonce-alerts-'));
    this.#cleanups.push(() => rm(this.folder, { recursive: true, force: true }));
    const url = await this.#startPostgres();
    this.db = new pg.Client({ connectionString: url });
    await this.db.connect();
    this.#cleanups.push(() => this.db.end());
    const { hostname: host, port } = new URL(url);
    this.proxy = await TcpProxy.start(this.#t, { host, port: Number(port) });
    this.makeCertificate(3);
    this.ports = { producer: await freePort(), consumer: await freePort() };
    this.#env = {
      DATABASE_URL: url,
      PRODUCER_PORT: String(this.ports.producer),
      CONSUMER_PORT: String(this.ports.consumer),
      STATUS_BASE_URL: `http://127.0.0.1:${this.ports.consumer}`,
      HANDLERS_MODULE: join(root, 'examples/charge/handlers.ts'),
      HANDLERS_MIGRATIONS: join(root, 'examples/charge'),
      APPEND_QUEUE_MAX: '40',
      DELIVERY_DEADLINE_MS: '4000',
      PROOF_INTERVAL_SECONDS: '1',
      ...(log === 'kafka'
        ? await this.#startKafka()
        : { KAFKA_TLS_CA_FILE: join(this.folder, 'ca.pem') }),
    };
    await this.command('migrate');
    await this.run('producer');
    await this.run('consumer');
    this.prometheus = await Prometheus.start({ targets: this.ports, rules, intervalSeconds: 1 });
    this.#cleanups.push(() => this.prometheus.stop());
  }

  async #startKafka(): Promise<Record<string, string>> {
    const folder = join(this.folder, 'kafka');
    const broker = await Broker.start({ port: await freePort(), folder, mode: 'kraft' });
    this.#cleanups.push(() => broker.stop());
    return { KAFKA_BOOTSTRAP_SERVERS: broker.bootstrap, SESSION_TIMEOUT_MS: '8000' };
  }

  /**
   * Starts a consumer of another deployment, whose database is another one, by mistake in the same
   * consumer group. Prometheus does not scrape it.
   * @returns a function that ends it.
   */
  async runStranger(): Promise<() => Promise<unknown>> {
    const { url } = await createEmptyDatabase(this.#t);
    const port = await freePort();
    const env = {
      ...this.#env,
      DATABASE_URL: url,
      CONSUMER_PORT: String(port),
      HANDLER_TIMEOUT_MS: '1000',
    };
    await new Orderonce(this.#t, ['migrate'], env).exit();
    const stranger = new Orderonce(this.#t, ['consumer'], env, this.folder);
    await untilHealthy(port);
    return () => stranger.kill('SIGTERM');
  }

  /** @returns a database of its own: on the server of TEST_DATABASE_URL, or on one that is started. */
  async #startPostgres(): Promise<string> {
    if (process.env.TEST_DATABASE_URL === undefined) {
      const postgres = await startEmbeddedPostgres(join(this.folder, 'data'), () => {});
      this.#cleanups.push(() => postgres.stop());
      process.env.TEST_DATABASE_URL = postgres.url;
      this.#cleanups.push(() => delete process.env.TEST_DATABASE_URL);
    }
    return (await createEmptyDatabase(this.#t)).url;
  }

  /** Runs a command to its end. @throws with its output if it fails. */
  async command(...args: string[]): Promise<void> {
    const command = new Orderonce(this.#t, args, this.#env);
    if ((await command.exit()) !== 0) throw new Error(`${args.join(' ')}: ${command.output}`);
  }

  /** @param more settings besides those of the deployment. */
  async run(service: 'producer' | 'consumer', more: Record<string, string> = {}): Promise<void> {
    const url = new URL(this.#env.DATABASE_URL as string);
    if (service === 'producer') url.port = String(this.proxy.port);
    const env = { ...this.#env, DATABASE_URL: url.href, ...more };
    this.#services[service] = new Orderonce(this.#t, [service], env, this.folder);
    await until('it is ready', async () => {
      const health = `http://127.0.0.1:${this.ports[service]}/health/ready`;
      return (await fetch(health)).status === 200;
    });
  }

  async kill(service: 'producer' | 'consumer'): Promise<void> {
    await this.#services[service]?.kill('SIGTERM');
  }

  async untilHealthy(service: 'producer' | 'consumer'): Promise<void> {
    await untilHealthy(this.ports[service]);
  }

  /** A certificate authority that ends after so many days, in the file that a setting names. */
  makeCertificate(days: number): void {
    const [ca, key] = [join(this.folder, 'ca.pem'), join(this.folder, 'ca.key')];
    const made = ['-keyout', key, '-out', ca, '-days', String(days), '-subj', '/CN=alerts'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...made], {
      stdio: 'pipe',
    });
  }

  /** Sends events in one batch. @returns the status of the answer; 0 if there was none. */
  async send(events: readonly Event[]): Promise<number> {
    const url = `http://127.0.0.1:${this.ports.producer}/events/batch`;
    const body = JSON.stringify(events);
    const headers = { 'Content-Type': 'application/json' };
    return await fetch(url, { method: 'POST', headers, body }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => 0,
    );
  }

  /** Asks the consumer for a change. */
  async change(path: string): Promise<void> {
    const url = `http://127.0.0.1:${this.ports.consumer}${path}`;
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }

  async stop(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

export function event(changed: Event = {}): Event {
  return {
    event_id: crypto.randomUUID(),
    order_id: crypto.randomUUID(),
    user_id: `user-${Math.trunc(Math.random() * 50)}`,
    total_amount: '9.95',
    timestamp: new Date().toISOString(),
    ...changed,
  };
}

export const events = (count: number, changed: Event = {}): Event[] =>
  Array.from({ length: count }, () => event(changed));
