/** A real Chromium that looks at the console. Whatever a page reports as an error fails the test. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { findChromium } from './chromium.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Under load a page takes longer; a test that fails shows what it waited for. */
const WAIT_MS = 30_000;

/** @param after what closes it, as t.after. */
export async function openBrowser(after: (close: () => Promise<void>) => void): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error('No Chromium is installed');
  // Without --no-sandbox it refuses to run as root.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  after(() => browser.close());
  return browser;
}

export type Visit = { readonly page: Page; readonly errors: string[] };

/** A tab of its own, with a name for the audit. */
export async function visit(
  t: TestContext,
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { name?: string | null } = {},
): Promise<Visit> {
  const { name = 'ann', ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...rest });
  context.setDefaultTimeout(WAIT_MS);
  t.after(() => context.close());
  if (name !== null) {
    await context.addInitScript(`localStorage.setItem('name', ${JSON.stringify(name)})`);
  }
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  // A Content Security Policy that refuses something is told of here.
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  await loaded(page);
  return { page, errors };
}

/** Waits until every panel of the page has its first values. */
export async function loaded(page: Page): Promise<void> {
  await page.locator('main .panel').first().waitFor();
  await page.waitForSelector('main .panel[aria-busy]', { state: 'detached' });
}

type Violation = { id: string; nodes: { html: string; failureSummary?: string }[] };

/** Asserts that axe finds nothing on the page. @param only these rules; absent: all. */
export async function assertAccessible(page: Page, what: string, only?: string[]): Promise<void> {
  // Playwright's evaluate() is not subject to the policy of the page.
  await page.evaluate(AXE);
  const options = JSON.stringify(only === undefined ? {} : { runOnly: only });
  const run = `axe.run(${options}).then(({ violations }) => violations)`;
  const violations = (await page.evaluate(run)) as Violation[];
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 300)} ${nodes[0]?.failureSummary ?? ''}`,
  );
  assert.deepEqual(found, [], what);
}
