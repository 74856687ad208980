/** The console with API keys, and its stream of updates, in a real browser. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeKey } from '../../src/access/api-keys.ts';
import { loaded, openBrowser, visit } from '../support/browser.ts';
import { startConsoleSite } from '../support/console-site.ts';
import { wireEvent } from '../support/events.ts';

const text = (event: object) => JSON.stringify(event);

describe('The console', () => {
  it('asks for an API key, sends it as a header only, and hides what the key may not do', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-console-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [reader, admin] = [makeKey(), makeKey()];
    const keys = [
      { name: 'report', role: 'read', sha256: reader.sha256 },
      { name: 'ops', role: 'admin', sha256: admin.sha256 },
    ];
    const file = join(folder, 'keys.json');
    writeFileSync(file, JSON.stringify({ keys }));
    const site = await startConsoleSite(t, { API_KEYS_FILE: file });
    await site.append([wireEvent(), wireEvent({ user_id: 'blocked-1' })].map(text));
    const browser = await openBrowser((close) => t.after(close));
    const url = `${site.consumerUrl}/console/dead-letters?state=parked`;
    const { page } = await visit(t, browser, url);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const use = async (key: string) => {
      await page.getByRole('textbox', { name: /^API key/ }).fill(key);
      await page.getByRole('button', { name: 'Use this key' }).click();
    };
    await use('wrong');
    await use(reader.key);
    await page.getByText('User blocked-1 is blocked').waitFor();
    await page
      .getByText(/Changes need an API key of role "admin"/)
      .first()
      .waitFor();
    assert.equal(await page.getByRole('button', { name: /Redrive|Discard/ }).count(), 0);
    assert.equal(await page.getByRole('checkbox').count(), 0);
    await page.evaluate('sessionStorage.clear()');
    await page.reload();
    await use(admin.key);
    await page.getByRole('button', { name: /^Redrive all/ }).waitFor();
    assert.ok(asked.length > 5);
    for (const key of [reader.key, admin.key]) {
      assert.deepEqual(
        asked.filter((one) => one.includes(key)),
        [],
      );
      assert.equal(await page.evaluate(`JSON.stringify(localStorage).includes('${key}')`), false);
    }
    assert.deepEqual(await page.context().cookies(), []);
  });

  it('is updated by the stream, also where it can ask for nothing', async (t) => {
    const site = await startConsoleSite(t);
    const browser = await openBrowser((close) => t.after(close));
    const { page } = await visit(t, browser, `${site.consumerUrl}/console`);
    await loaded(page);
    await page.locator('#verdict').getByText('fine').waitFor();
    await page.route('**/overview', (route) => route.abort());
    await site.append([wireEvent(), wireEvent({ user_id: 'blocked-1' })].map(text));
    await page.locator('#verdict').getByText('look').waitFor();
    assert.match(await page.title(), /^\(1\) Overview/);
  });
});
