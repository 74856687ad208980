import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { until } from '../../test/support/until.ts';
import { isAlive } from '../embedded/run-as.ts';

const INDEX = new URL('./index.ts', import.meta.url).href;
const STOPS_MS = 60_000;

/** A test process of a team: it opens a kit, says its port, and keeps it open until it is told. */
function startUser(dataDir: string): ChildProcess {
  const script = `
    const { startTestKit } = await import(${JSON.stringify(INDEX)});
    const handlers = [{ name: 'none', handle: async () => {} }];
    const kit = await startTestKit({ handlers, dataDir: ${JSON.stringify(dataDir)} });
    console.log(new URL(kit.databaseUrl).port);
    process.stdin.once('data', async () => { await kit.close(); process.exit(0); });`;
  const { DATABASE_URL: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
  const flags = ['--input-type=module', '--eval', script];
  return spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'inherit'], env });
}

async function portOf(user: ChildProcess): Promise<string> {
  const [line] = await once(user.stdout as NodeJS.ReadableStream, 'data');
  return String(line).trim();
}

describe('The embedded server of the test kit', () => {
  it('is shared by test processes, and stops when the last is closed or killed', async (t) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'orderonce-kit-'));
    t.after(() => rm(dataDir, { recursive: true, force: true }));
    const users = [startUser(dataDir), startUser(dataDir)] as const;
    t.after(() => users.forEach((user) => void user.kill('SIGKILL')));
    const [one, two] = await Promise.all(users.map(portOf));
    assert.equal(one, two);
    const pidFile = await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8');
    const pid = Number(pidFile.split('\n')[0]);
    assert.ok(isAlive(pid));
    users[0].stdin?.write('close\n');
    await once(users[0], 'exit');
    assert.ok(isAlive(pid), 'Another process uses it');
    users[1].kill('SIGKILL');
    await until('it has stopped', async () => !isAlive(pid), { withinMs: STOPS_MS });
  });
});
