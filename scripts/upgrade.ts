/**
 * Tries the rolling upgrade of docs/operations.md and the downgrade, on real Kafka and PostgreSQL:
 *
 *   npm run upgrade -- REV     REV is an older commit of this repository
 *
 * Under a steady load it takes these steps:
 *
 * 1. Run the older release alone.
 * 2. Run this release's "migrate". Start its consumer beside the old one, then stop the old one.
 * 3. Do the same with the producers.
 * 4. Go back: start the older consumer beside the new one, then stop the new one.
 *
 * At the end, every accepted event must be stored once, and "verify --against-log" of this release
 * must prove it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase, openPool } from '../bench/databases.ts';
import { runScript } from '../bench/script.ts';
import { type Servers, startServers } from '../bench/servers.ts';
import { ServiceProcess, TREE, untilHealthy } from '../bench/service-process.ts';

const RATE = 300;
const SECONDS_PER_STEP = 4;
const PORTS = {
  old: { producer: 18_420, consumer: 18_421 },
  new: { producer: 18_422, consumer: 18_423 },
};
type Release = keyof typeof PORTS;
type Role = 'producer' | 'consumer';

const [revision] = process.argv.slice(2);
if (revision === undefined) {
  console.error('Usage: npm run upgrade -- REV, where REV is the older commit to upgrade from');
  process.exit(2);
}

const git = (...words: string[]) => execFileSync('git', ['-C', TREE, ...words], { stdio: 'pipe' });
const folder = await mkdtemp(join(tmpdir(), 'orderonce-upgrade-'));
const older = join(folder, 'older');
git('worktree', 'add', '--detach', older, revision);
// The older release runs with the dependencies of this checkout, whatever versions it had itself.
await symlink(join(TREE, 'node_modules'), join(older, 'node_modules'));
const trees: Readonly<Record<Release, string>> = { old: older, new: TREE };
let servers: Servers | undefined;
try {
  servers = await startServers();
  process.exitCode = await drill(servers, await freshDatabase(servers, 'upgrade'));
} finally {
  await servers?.stop();
  git('worktree', 'remove', '--force', older);
  await rm(folder, { recursive: true });
}

async function drill(servers: Servers, databaseUrl: string): Promise<number> {
  const env = { DATABASE_URL: databaseUrl, KAFKA_BOOTSTRAP_SERVERS: servers.bootstrap };
  const running = new Map<string, ServiceProcess>();
  const migrate = (release: Release) =>
    ServiceProcess.command('migrate', env, trees[release]).ended();
  const start = async (release: Release, role: Role) => {
    const { producer, consumer } = PORTS[release];
    const ports = { PRODUCER_PORT: String(producer), CONSUMER_PORT: String(consumer) };
    const service = ServiceProcess.command(role, { ...env, ...ports }, trees[release]);
    running.set(`${release} ${role}`, service);
    await untilHealthy(PORTS[release][role]);
  };
  const stop = async (release: Release, role: Role) => {
    await running.get(`${release} ${role}`)?.stop();
    running.delete(`${release} ${role}`);
  };
  let accepted = 0;
  /** Sends events to these producers for some seconds, while the services run that were started. */
  const load = async (what: string, ...producers: Release[]) => {
    const counts = await Promise.all(producers.map((release) => send(PORTS[release].producer)));
    accepted += counts.reduce((sum, count) => sum + count);
    console.log(`${what}: ${accepted} accepted so far`);
  };
  try {
    await migrate('old');
    await start('old', 'producer');
    await start('old', 'consumer');
    await load('The older release', 'old');
    await migrate('new');
    await start('new', 'consumer');
    await load('Both consumers', 'old');
    await stop('old', 'consumer');
    await start('new', 'producer');
    await load('Both producers, the new consumer', 'old', 'new');
    await stop('old', 'producer');
    await load('This release', 'new');
    await start('old', 'consumer');
    await load('Back: both consumers', 'new');
    await stop('new', 'consumer');
    await load('Back: the older consumer', 'new');
    await untilStored(databaseUrl, accepted);
  } finally {
    await Promise.all([...running.values()].map((service) => service.stop()));
  }
  const verify = join(TREE, 'src/cli.ts');
  const { status } = spawnSync(process.execPath, [verify, 'verify', '--against-log'], {
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  return status ?? 1;
}

/** @returns how many events were accepted. @throws if one got another answer than 202. */
async function send(port: number): Promise<number> {
  const words = [port, RATE, SECONDS_PER_STEP];
  const { accepted, others } = await runScript<{ accepted: { due: number[] }; others: number }>(
    'open-load.ts',
    words,
  );
  if (others > 0) throw new Error(`${others} events were not accepted`);
  return accepted.due.length;
}

/** Waits until exactly `wanted` events are stored. @throws if there are more, or after a minute. */
async function untilStored(databaseUrl: string, wanted: number): Promise<void> {
  const pool = openPool(databaseUrl);
  try {
    for (let attempt = 0; attempt < 600; attempt++) {
      const { rows } = await pool.query<{ n: number }>(
        'SELECT count(*) AS n FROM processed_events',
      );
      const stored = rows[0]?.n ?? 0;
      if (stored > wanted)
        throw new Error(`${stored} events are stored, but ${wanted} were accepted`);
      if (stored === wanted) return console.log(`${stored} events are stored, each once`);
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`The ${wanted} accepted events were not all stored within a minute`);
  } finally {
    await pool.end();
  }
}
