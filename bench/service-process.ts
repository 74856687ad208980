/** One of our services as a process of its own, with its CPU time and memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuSecondsOf } from './cpu.ts';

export const TREE = fileURLToPath(new URL('..', import.meta.url));

export class ServiceProcess {
  readonly #child: ChildProcess;

  /**
   * @param script of the tree, with its arguments: `src/cli.ts consumer`.
   * @param tree whose code runs: this checkout, or another one.
   */
  constructor(script: string, env: Readonly<Record<string, string>> = {}, tree = TREE) {
    const [file = '', ...words] = script.split(' ');
    this.#child = spawn(process.execPath, [join(tree, file), ...words], {
      env: { ...process.env, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  static command(name: string, env: Readonly<Record<string, string>>, tree = TREE) {
    return new ServiceProcess(`src/cli.ts ${name}`, env, tree);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** CPU seconds so far, user and system; NaN where the system does not tell (only Linux does). */
  cpuSeconds(): number {
    return cpuSecondsOf(this.#child.pid);
  }

  /** Resolves when it ends by itself. */
  async ended(): Promise<void> {
    if (this.#child.exitCode === null) await new Promise((done) => this.#child.once('exit', done));
  }

  async stop(): Promise<void> {
    const exited = new Promise((done) => this.#child.once('exit', done));
    if (this.#child.exitCode !== null || !this.#child.kill('SIGTERM')) return;
    await exited;
  }
}

/** Resolves once a server there is healthy. */
export async function untilHealthy(port: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`Nothing answers on port ${port}`);
}
