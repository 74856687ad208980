/**
 * Writes docs/screenshots/: every page of the console with traffic of all kinds, in a real Chromium.
 *
 *   npm run screenshots             all pages
 *   npm run screenshots -- letter   those whose name contains the word
 *
 * Needs Chromium. TEST_DATABASE_URL: uses that PostgreSQL instead of its own.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts';
import { loaded, openBrowser, visit } from '../test/support/browser.ts';
import { type ConsoleSite, seed, startConsoleSite } from '../test/support/console-site.ts';
import { wireEvent } from '../test/support/events.ts';
import { lifetime } from '../test/support/lifetime.ts';
import { until } from '../test/support/until.ts';

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
  const ending = new AbortController();
  const steady = traffic(site, ending.signal);
  life.after(async () => {
    ending.abort();
    await steady;
  });
  const browser = await openBrowser((close) => life.after(close));
  for (const shot of shots) {
    if (words.length > 0 && !words.some((word) => shot.name.includes(word))) continue;
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

/** Steady traffic, some of it twice. */
async function traffic(site: ConsoleSite, ending: AbortSignal): Promise<void> {
  while (!ending.aborted) {
    const events = Array.from({ length: 8 }, (_, n) => wireEvent({ user_id: `user-${n}` }));
    await site.send([...events, ...events.slice(0, 1)]);
    await setTimeout(300, undefined, { signal: ending }).catch(() => {});
  }
}

/** Until the console has seen the traffic of some seconds. */
async function lookOn(page: Page): Promise<void> {
  await page.locator('.chart').waitFor();
  await until('the line is drawn', async () => {
    const line = page.locator('.spark polyline').first();
    const points = (await line.getAttribute('points')) ?? '';
    return points.split(' ').length > 8;
  });
}

async function shotsOf(
  site: ConsoleSite,
  { good, orderId, broken }: Awaited<ReturnType<typeof seed>>,
): Promise<Shot[]> {
  const placeOf = async (eventId: string | undefined) => {
    const answer = await fetch(`${site.consumerUrl}/dead-letters?event_id=${eventId}`);
    return ((await answer.json()) as { items: { place: string }[] }).items[0]?.place;
  };
  const letter = `/console/dead-letters/${await placeOf(broken.event_id)}`;
  return [
    { name: 'event', path: `/console/events/${good[0]?.event_id}` },
    { name: 'order', path: `/console/orders/${orderId}` },
    { name: 'find', path: `/console/find?q=${randomUUID()}` },
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
    // Last, so that there is something in its chart and its lines.
    { name: 'overview', path: '/console', prepare: lookOn },
    { name: 'overview-dark', path: '/console', isDark: true, prepare: lookOn },
    { name: 'overview-narrow', path: '/console', width: 390, prepare: lookOn },
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
  await until('one error is left', async () => (await page.locator('.errors li').count()) === 1);
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
