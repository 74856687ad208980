/** Processes of Orderonce, started as a user would start them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export class Orderonce {
  readonly child: ChildProcess;
  output = '';
  /** It has ended, and all that it wrote is in `output`. */
  #hasClosed = false;

  constructor(t: TestContext, args: string[], env: Record<string, string>, cwd?: string) {
    const clean = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      LOG_LEVEL: 'info',
      // As in bin/orderonce.js. Without the cache, each start compiles all code again.
      NODE_COMPILE_CACHE: join(tmpdir(), 'orderonce-compile-cache'),
    };
    this.child = spawn(process.execPath, [CLI, ...args], { env: { ...clean, ...env }, cwd });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.child.once('close', () => {
      this.#hasClosed = true;
    });
    t.after(() => this.kill());
  }

  /** Waits until the process ends. @returns its exit code, or null after a signal. */
  async exit(): Promise<number | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((done) => child.once('close', done));
    }
    return child.exitCode;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return await this.exit();
  }

  async untilSays(what: RegExp | string): Promise<void> {
    const hasSaid = () => this.output.match(what) !== null;
    await until(`it says ${what}`, () => hasSaid() || this.#hasClosed);
    if (!hasSaid()) throw new Error(`It ended without saying ${what}: ${this.output}`);
  }

  /** @throws at once if the process ends before. */
  async untilHealthy(port: number): Promise<void> {
    const ended = new Promise<never>((_, fail) => {
      const say = () => fail(new Error(`It ended before it was healthy: ${this.output}`));
      if (this.#hasClosed) say();
      else this.child.once('close', say);
    });
    ended.catch(() => {});
    await Promise.race([untilHealthy(port), ended]);
  }
}

/** Runs `start`, and restarts it whenever it ends, as an orchestrator does, until the test ends. */
export function supervise(t: TestContext, env: Record<string, string>, folder: string) {
  const state = { deaths: 0, isStopping: false, service: undefined as Orderonce | undefined };
  const running = (async () => {
    while (!state.isStopping) {
      state.service = new Orderonce(t, ['start'], env, folder);
      await state.service.exit();
      state.deaths++;
    }
  })();
  const stop = async () => {
    state.isStopping = true;
    await state.service?.kill('SIGTERM');
    await running;
  };
  t.after(stop);
  return { state, stop };
}

export async function untilHealthy(port: number): Promise<void> {
  await until(`port ${port} is healthy`, async () => {
    return (await fetch(`http://127.0.0.1:${port}/health`)).status === 200;
  });
}

/** The ports that the system chose for `orderonce start` with ports of 0, from its output. */
export async function portsOf(service: Orderonce): Promise<{ producer: number; consumer: number }> {
  await service.untilSays(/health: http\S+/);
  const portAfter = (what: string) =>
    Number(new RegExp(`${what} +http://127\\.0\\.0\\.1:(\\d+)`).exec(service.output)?.[1]);
  return { producer: portAfter('ingest API'), consumer: portAfter('health:') };
}
