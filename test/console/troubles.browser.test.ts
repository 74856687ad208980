/** What the console says while PostgreSQL is frozen, and while the consumer is gone. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openBrowser, visit } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';

it('the console dims old values and says so while PostgreSQL is frozen, and recovers from that and from a killed consumer', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-console-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const consumer = await freePort();
  const env = {
    ORDERONCE_DATA_DIR: join(folder, 'data'),
    CONSUMER_PORT: String(consumer),
    PRODUCER_PORT: String(await freePort()),
  };
  const service = new Orderonce(t, ['start'], env, folder);
  await untilHealthy(consumer);
  const browser = await openBrowser((close) => t.after(close));
  const { page } = await visit(t, browser, `http://127.0.0.1:${consumer}/console`);
  await page.getByText('Nothing needs you').waitFor();
  const pids = processesOf(join(folder, 'data', 'postgres', 'postmaster.pid'));
  t.after(() => pids.forEach(thaw));
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await page.locator('.panel.stale').first().waitFor();
  await page.locator('.panel.stale .age').first().waitFor();
  await page.locator('#verdict').getByText('old values').waitFor();
  const [dimmed] = await page.locator('.panel.stale .panel-body').all();
  assert.ok(dimmed !== undefined);
  pids.forEach(thaw);
  await page.locator('.panel.stale').first().waitFor({ state: 'detached' });
  await page.locator('#verdict').getByText('fine').waitFor();

  await service.kill();
  await page.locator('#verdict').getByText('no answer, trying again').waitFor();
  await page.getByText('The service does not answer').first().waitFor();
  const again = new Orderonce(t, ['start'], env, folder);
  // After 20 s the killed process counts as missing, and then somebody should look.
  const answered = page.locator('#verdict').filter({ hasText: /fine|look/ });
  await answered.waitFor({ timeout: 60_000 });
  await page.getByText('The service does not answer').first().waitFor({ state: 'hidden' });
  await again.kill('SIGTERM');
});

function thaw(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended.
  }
}

/** The server and its children. */
function processesOf(pidFile: string): number[] {
  const server = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === server;
    } catch {
      return false;
    }
  });
  return [server, ...children.map(Number)];
}
