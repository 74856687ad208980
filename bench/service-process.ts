/** One of our services as a process of its own, with its CPU time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuSecondsOf } from './cpu.ts';

export const TREE = fileURLToPath(new URL('..', import.meta.url));
export class ServiceProcess {
  readonly #child: ChildProcess;

  /** @param tree whose code runs: this checkout, or another one. */
  constructor(command: string, env: Readonly<Record<string, string>>, tree = TREE) {
    this.#child = spawn(process.execPath, [join(tree, 'src/cli.ts'), command], {
      env: { ...process.env, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
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
