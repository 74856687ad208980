/** Runs a service in its own process, and measures its CPU time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuSecondsOf } from './cpu.ts';

/** The folder of this checkout. */
export const TREE = fileURLToPath(new URL('..', import.meta.url));

/** One process. The caller must stop it. */
export class ServiceProcess {
  readonly #child: ChildProcess;

  /**
   * @param script path in the checkout and arguments, such as `src/cli.ts consumer`.
   * @param tree the checkout whose code runs. Default: this one.
   */
  constructor(script: string, env: Readonly<Record<string, string>> = {}, tree = TREE) {
    const [file = '', ...words] = script.split(' ');
    this.#child = spawn(process.execPath, [join(tree, file), ...words], {
      env: { ...process.env, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  /** Runs a command of `orderonce`. */
  static command(name: string, env: Readonly<Record<string, string>>, tree = TREE) {
    return new ServiceProcess(`src/cli.ts ${name}`, env, tree);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** User and system time so far, in seconds. NaN on other systems than Linux. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.#child.pid);
  }

  /** Resolves when the process has ended. It does not ask it to stop. */
  async ended(): Promise<void> {
    if (this.#child.exitCode === null) await new Promise((done) => this.#child.once('exit', done));
  }

  async stop(): Promise<void> {
    const exited = new Promise((done) => this.#child.once('exit', done));
    if (this.#child.exitCode !== null || !this.#child.kill('SIGTERM')) return;
    await exited;
  }
}

/** Resolves when `GET /health` on this port answers 2xx. @throws after about 30 s. */
export async function untilHealthy(port: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`No healthy server on port ${port}`);
}
