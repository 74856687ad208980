/** Every page of the console in a real browser: what it shows, hostile values, narrow screens, axe. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { noteFindings } from '../../src/store/proof-findings.ts';
import { assertAccessible, loaded, openBrowser, visit } from '../support/browser.ts';
import {
  type ConsoleSite,
  HOSTILE,
  seed,
  seedHostile,
  startConsoleSite,
} from '../support/console-site.ts';
import { lifetime } from '../support/lifetime.ts';

const life = lifetime();
let browser: Browser;
let site: ConsoleSite;
/** Path and something that the page must show. */
let pages: [path: string, shows: RegExp][] = [];

const FINDINGS = ['effect', 'altered', 'last event'].map((kind) => ({
  ...{ kind, subject: '7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01', evidence: 'e' },
  message: `orders says 12 events, 1234567890.0000, {"EUR": 99999}; ${HOSTILE}`,
}));

before(async () => {
  browser = await openBrowser((close) => life.after(close));
  // The findings below would vanish with the next pass of the proof.
  site = await startConsoleSite(life, { PROOF: 'off' });
  await noteFindings(site.pool, FINDINGS);
  const { good, held, orderId } = await seed(site);
  const hostile = await seedHostile(site);
  const placeOf = async (query: string) => {
    const answer = await fetch(`${site.consumerUrl}/dead-letters?${query}`);
    return ((await answer.json()) as { items: { place: string }[] }).items[0]?.place;
  };
  const invalid = await placeOf('reason=invalid_event&q=coupon');
  const strange = await placeOf('reason=invalid_event&q=string_too_long');
  const refused = await placeOf(`event_id=${held[0]?.event_id}`);
  await fetch(`${site.consumerUrl}/dead-letters/${refused}/redrive`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const made = await fetch(`${site.consumerUrl}/redrives`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ places: [refused], reason: HOSTILE }),
  });
  const job = ((await made.json()) as { redrive_id: number }).redrive_id;
  pages = [
    ['/', /What needs you[\s\S]*dead letters parked: refused_by_handler/],
    ['/console', /stored/],
    [
      `/console/events/${good[0]?.event_id}`,
      /requested[\s\S]*appended[\s\S]*stored[\s\S]*duplicate[\s\S]*conflict/,
    ],
    [`/console/events/${hostile.event_id}`, /conflict/],
    [`/console/orders/${orderId}`, /Held for[\s\S]*1 event parked, 2 waiting behind/],
    [`/console/orders/${hostile.order_id}`, /<script>globalThis\.hacked=1<\/script>/],
    ['/console/dead-letters', /User blocked-# is blocked[\s\S]*match/],
    ['/console/dead-letters?state=waiting', /order_held/],
    [`/console/dead-letters/${invalid}`, /coupon[\s\S]*Extra inputs are not permitted/],
    [`/console/dead-letters/${strange}`, /more characters/],
    [
      `/console/dead-letters/${refused}`,
      /User blocked-7 is blocked[\s\S]*Audit[\s\S]*redrive[\s\S]*failed/,
    ],
    ['/console/redrives', /1 place/],
    [`/console/redrives/${job}`, /of 1 tried[\s\S]*<script>/],
    ['/console/conflicts', /total_amount: 10\.0000 → 1\.5000/],
    ['/console/duplicates', /foreign_client/],
    ['/console/partitions', /running[\s\S]*charge/],
    ['/console/proof', /last event[\s\S]*orders says 12 events/],
    ['/console/doctor', /postgresql[\s\S]*reachable/],
    ['/console/find?q=7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01', /Nothing was found/],
  ];
});
after(() => life.end());

describe('The console', () => {
  it('shows on every page what it is for, runs no text as script, fits into 390 px, and axe finds nothing', async (t) => {
    const { page, errors } = await visit(t, browser, `${site.consumerUrl}/console`);
    for (const [path, shows] of pages) {
      await page.goto(site.consumerUrl + path);
      await loaded(page);
      await page
        .locator('main', { hasText: shows })
        .waitFor()
        .catch(async (error) => {
          throw new Error(`${path}: ${await page.locator('main').textContent()}`, { cause: error });
        });
      await assertAccessible(page, path);
      await page.emulateMedia({ colorScheme: 'dark' });
      await assertAccessible(page, `${path}, dark`, ['color-contrast']);
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 390, height: 800 });
      const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.ok((over as number) <= 0, `${path} is ${over} px wider than a screen of 390 px`);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
    assert.equal(await page.evaluate('globalThis.hacked'), undefined);
    assert.deepEqual(errors, []);
  });

  it('shows rows as cards on a narrow screen', async (t) => {
    const viewport = { width: 390, height: 800 };
    const { page } = await visit(t, browser, `${site.consumerUrl}/console`, { viewport });
    await page.goto(`${site.consumerUrl}/console/dead-letters`);
    await loaded(page);
    const display = `getComputedStyle(document.querySelector('main tr[data-key]')).display`;
    assert.equal(await page.evaluate(display), 'block');
    await assertAccessible(page, 'narrow');
  });
});
