/**
 * A PostgreSQL server for one test, and a streaming standby of it, from an installed PostgreSQL.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from './free-port.ts';

/** Folder of pg_basebackup, which the PostgreSQL from npm does not contain. */
const PROGRAMS = globSync('/usr/lib/postgresql/*/bin').find((folder) =>
  existsSync(join(folder, 'pg_basebackup')),
);

/** Why tests with a standby are skipped; false if they run. CI requires pg_basebackup. */
export const NO_STANDBY: string | false =
  process.env.CI === 'true' || PROGRAMS !== undefined ? false : 'pg_basebackup is not installed';

/** The account to run as, since PostgreSQL refuses to run as root. */
const ACCOUNT = process.getuid?.() === 0 ? idsOf('postgres') : null;

function idsOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

function run(program: string, ...words: string[]): void {
  if (PROGRAMS === undefined) throw new Error('CI needs pg_basebackup: install postgresql');
  execFileSync(join(PROGRAMS, program), words, { stdio: 'ignore', cwd: '/', ...ACCOUNT });
}

export class Postgres {
  readonly port: number;
  readonly #data: string;

  private constructor(data: string, port: number) {
    this.#data = data;
    this.port = port;
  }

  /** Starts an empty server until the test ends. Its only role "postgres" needs no password. */
  static async start(t: TestContext): Promise<Postgres> {
    const postgres = await Postgres.#place(t);
    // Without these flags the environment decides, and where it says nothing that is SQL_ASCII.
    const text = ['--encoding=UTF8', '--no-locale'];
    run('initdb', '-D', postgres.#data, '-U', 'postgres', '-A', 'trust', '-N', ...text);
    postgres.#launch();
    return postgres;
  }

  /** Starts a streaming standby of this server. */
  async standby(t: TestContext): Promise<Postgres> {
    const standby = await Postgres.#place(t);
    const from = `host=127.0.0.1 port=${this.port} user=postgres`;
    run('pg_basebackup', '-D', standby.#data, '-d', from, '-R', '-X', 'stream', '-c', 'fast');
    standby.#launch();
    return standby;
  }

  static async #place(t: TestContext): Promise<Postgres> {
    const data = mkdtempSync(join(tmpdir(), 'orderonce-postgres-'));
    if (ACCOUNT !== null) chownSync(data, ACCOUNT.uid, ACCOUNT.gid);
    const postgres = new Postgres(data, await freePort());
    t.after(() => {
      // Before the folder is removed, because the pid is in a file of it.
      postgres.kill();
      rmSync(data, { recursive: true, force: true, maxRetries: 5 });
    });
    return postgres;
  }

  #launch(): void {
    const settings = `-p ${this.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=`;
    const log = join(this.#data, 'log');
    run('pg_ctl', '-D', this.#data, '-w', '-l', log, '-o', `${settings} -c fsync=off`, 'start');
  }

  url(...others: Postgres[]): string {
    const hosts = [this, ...others].map(({ port }) => `127.0.0.1:${port}`).join(',');
    return `postgres://postgres@${hosts}/postgres`;
  }

  promote(): void {
    run('pg_ctl', '-D', this.#data, '-w', 'promote');
  }

  /** Kills all processes of the server, as if its machine were lost. */
  kill(): void {
    this.signal('SIGKILL');
  }

  /** Signals every process: if only the postmaster is stopped, its sessions continue to work. */
  signal(name: NodeJS.Signals): void {
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, name);
      } catch {
        // The process has ended meanwhile.
      }
    }
  }

  #pids(): number[] {
    try {
      const [postmaster] = pidsOf(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8'));
      const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8');
      return [postmaster as number, ...pidsOf(children)];
    } catch {
      return [];
    }
  }
}

const pidsOf = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);
