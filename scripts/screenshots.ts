/**
 * Writes docs/screenshots/: every page of the console with traffic of all kinds, in a real Chromium.
 *
 *   npm run screenshots             all pages
 *   npm run screenshots -- letter   those whose name contains the word
 *
 * Needs Chromium. TEST_DATABASE_URL: uses that PostgreSQL instead of its own.
 */
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts';
import { loaded, openBrowser, visit } from '../test/support/browser.ts';
import { type ConsoleSite, seed, startConsoleSite } from '../test/support/console-site.ts';
import { wireEvent } from '../test/support/events.ts';
import { lifetime } from '../test/support/lifetime.ts';

const FOLDER = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));
const SIZE = { width: 1120, height: 720 };
/** A page longer than this is cut. */
const HEIGHT_MAX = 1150;

type Shot = {
  readonly name: string;
  readonly path: string;
  readonly prepare?: (page: Page) => Promise<void>;
  readonly isDark?: boolean;
  readonly width?: number;
};

const words = process.argv.slice(2);
const life = lifetime();
try {
  await main();
} finally {
  await life.end();
}
process.exit(0);

async function main(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  await startPostgres();
  const site = await startConsoleSite(life);
  const seeded = await seed(site, 3);
  const shots = await shotsOf(site, seeded);
  const browser = await openBrowser((close) => life.after(close));
  for (const shot of shots) {
    if (words.length > 0 && !words.some((word) => shot.name.includes(word))) continue;
    // The chart of the overview and the rates need traffic just now.
    await traffic(site);
    const colorScheme = shot.isDark === true ? 'dark' : 'light';
    const viewport = { ...SIZE, width: shot.width ?? SIZE.width };
    const { page } = await visit(life, browser, site.consumerUrl + shot.path, {
      colorScheme,
      viewport,
    });
    await shot.prepare?.(page);
    await loaded(page);
    await page.evaluate('document.activeElement.blur()');
    await page.evaluate('scrollTo(0, 0)');
    const height = Number(await page.evaluate('document.documentElement.scrollHeight'));
    await page.setViewportSize({ ...viewport, height: Math.min(HEIGHT_MAX, height) });
    await page.screenshot({ path: join(FOLDER, `${shot.name}.png`) });
    console.log(`${shot.name}.png`);
    await page.context().close();
  }
}

async function startPostgres(): Promise<void> {
  if (process.env.TEST_DATABASE_URL !== undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-screenshots-'));
  life.after(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres(folder, console.log);
  life.after(() => postgres.stop());
  process.env.TEST_DATABASE_URL = postgres.url;
}

/** A few more events, some of them twice. */
async function traffic(site: ConsoleSite): Promise<void> {
  const events = Array.from({ length: 30 }, (_, n) => wireEvent({ user_id: `user-${n}` }));
  await site.send([...events, ...events.slice(0, 4)]);
}

async function shotsOf(
  site: ConsoleSite,
  { good, held, orderId, broken }: Awaited<ReturnType<typeof seed>>,
): Promise<Shot[]> {
  const placeOf = async (eventId: string | undefined) => {
    const answer = await fetch(`${site.consumerUrl}/dead-letters?event_id=${eventId}`);
    return ((await answer.json()) as { items: { place: string }[] }).items[0]?.place;
  };
  const letter = `/console/dead-letters/${await placeOf(broken.event_id)}`;
  return [
    { name: 'overview', path: '/console' },
    { name: 'overview-dark', path: '/console', isDark: true },
    { name: 'overview-narrow', path: '/console', width: 390 },
    { name: 'event', path: `/console/events/${good[0]?.event_id}` },
    { name: 'order', path: `/console/orders/${orderId}` },
    { name: 'find', path: `/console/find?q=${held[0]?.event_id}` },
    { name: 'dead-letters', path: '/console/dead-letters?state=parked', prepare: tickThree },
    { name: 'letter', path: letter },
    { name: 'letter-edit', path: letter, prepare: edit },
    { name: 'redrive-plan', path: '/console/dead-letters?state=parked', prepare: plan },
    { name: 'redrive', path: '/console/dead-letters?q=blocked', prepare: start },
    { name: 'redrives', path: '/console/redrives' },
    { name: 'conflicts', path: '/console/conflicts' },
    { name: 'duplicates', path: '/console/duplicates' },
    { name: 'partitions', path: '/console/partitions' },
    { name: 'proof', path: '/console/proof' },
    { name: 'doctor', path: '/console/doctor' },
  ];
}

async function tickThree(page: Page): Promise<void> {
  const boxes = page.getByRole('checkbox', { name: /^Tick \d/ });
  for (const n of [0, 1, 2]) await boxes.nth(n).check();
}

async function edit(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Edit' }).click();
  const text = page.getByLabel('Event as JSON');
  await page.locator('.errors').waitFor();
  await text.fill((await text.inputValue()).replace('"-5"', '"5.00"'));
  await page.locator('.errors').getByText('RFC 3339').waitFor();
}

async function plan(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Redrive all/ }).click();
  await page.getByRole('button', { name: 'Plan' }).click();
  await page.getByText('tried and rolled back').waitFor();
}

/** A job that is under way. */
async function start(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Redrive all/ }).click();
  await page.getByLabel('At most a second').fill('2');
  await page.getByRole('button', { name: 'Plan' }).click();
  await page.getByRole('button', { name: /^Redrive \d/ }).click();
  await page.getByText(/[3-9] of \d+ tried/).waitFor();
}
