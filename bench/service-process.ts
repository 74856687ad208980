/** One of our services as a process of its own, with its CPU time. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
/** USER_HZ, which is 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;

export class ServiceProcess {
  readonly #child: ChildProcess;

  constructor(command: 'producer' | 'consumer', env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [CLI, command], {
      env: { ...process.env, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  /** CPU seconds so far, user and system; NaN where the system does not tell (only Linux does). */
  cpuSeconds(): number {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    } catch {
      return Number.NaN;
    }
  }

  async stop(): Promise<void> {
    const exited = new Promise((done) => this.#child.once('exit', done));
    if (this.#child.exitCode !== null || !this.#child.kill('SIGTERM')) return;
    await exited;
  }
}
