/** A real Prometheus (Debian's package), which scrapes services of a test and evaluates rules. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export function hasPrometheus(): boolean {
  return spawnSync('prometheus', ['--version']).error === undefined;
}

/** A series with its newest value. */
export type Sample = {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
};

/** An alert that is pending or firing. */
export type ActiveAlert = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
  readonly activeAt: string;
};

export type PrometheusOptions = {
  /** Ports on 127.0.0.1, by the name of the job. */
  readonly targets: Readonly<Record<string, number>>;
  /** The rules, as the text of a file. */
  readonly rules: string;
  readonly intervalSeconds: number;
};

export class Prometheus {
  readonly #url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.#url = url;
    this.#folder = folder;
    this.#child = child;
  }

  /** Resolves when it answers. The caller must call stop(). */
  static async start({ targets, rules, intervalSeconds }: PrometheusOptions): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-prometheus-'));
    const port = await freePort();
    const interval = `${intervalSeconds}s`;
    // JSON is YAML.
    const config = {
      global: {
        scrape_interval: interval,
        scrape_timeout: interval,
        evaluation_interval: interval,
      },
      rule_files: ['rules.yml'],
      scrape_configs: Object.entries(targets).map(([job_name, target]) => ({
        job_name,
        static_configs: [{ targets: [`127.0.0.1:${target}`] }],
      })),
    };
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    await writeFile(join(folder, 'rules.yml'), rules);
    const args = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ];
    const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`, folder, child);
    await until('Prometheus is ready', async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}`);
      return (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok;
    });
    return prometheus;
  }

  async #ask<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.#url}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as {
      status: string;
      data: T;
      error?: string;
    };
    if (status !== 'success') throw new Error(`Prometheus: ${error}`);
    return data;
  }

  /** Evaluates an instant query. */
  async query(promql: string): Promise<readonly Sample[]> {
    const path = `query?query=${encodeURIComponent(promql)}`;
    return (await this.#ask<{ result: Sample[] }>(path)).result;
  }

  /** The types that scraped pages declare, by the name of the metric. */
  async types(): Promise<ReadonlyMap<string, string>> {
    const data = await this.#ask<Record<string, { type: string }[]>>('metadata');
    return new Map(Object.entries(data).map(([name, [first]]) => [name, first?.type ?? '']));
  }

  async alerts(): Promise<readonly ActiveAlert[]> {
    return (await this.#ask<{ alerts: ActiveAlert[] }>('alerts')).alerts;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = new Promise((done) => this.#child.once('exit', done));
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
