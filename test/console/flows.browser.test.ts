/** What an operator does in the console, in a real browser: find, redrive, stop, edit, discard. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { loaded, openBrowser, visit } from '../support/browser.ts';
import { type ConsoleSite, seed, startConsoleSite } from '../support/console-site.ts';
import { wireEvent } from '../support/events.ts';
import { lifetime } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const life = lifetime();
let browser: Browser;
let site: ConsoleSite;
let seeded: Awaited<ReturnType<typeof seed>>;

before(async () => {
  browser = await openBrowser((close) => life.after(close));
  // Its findings are those of the test.
  site = await startConsoleSite(life, { PROOF: 'off' });
  seeded = await seed(site);
});
after(() => life.end());

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name });
const letterOf = async (eventId: string) => {
  const answer = await fetch(`${site.consumerUrl}/dead-letters?event_id=${eventId}`);
  return ((await answer.json()) as { items: { place: string }[] }).items[0]?.place;
};

describe('An operator', () => {
  it('finds an event, an order and a dead letter by id, place, and the search key', async (t) => {
    const { page } = await visit(t, browser, `${site.consumerUrl}/console`);
    const find = async (text: string) => {
      await page.locator('body').press('/');
      await page.keyboard.type(text);
      await page.keyboard.press('Enter');
    };
    const [event] = seeded.good;
    await find(event?.event_id as string);
    await page.waitForURL(`**/console/**${event?.event_id}*`);
    await page.locator('main').press('Escape');
    await page.evaluate('document.activeElement.blur()');
    await find(seeded.orderId);
    await page
      .getByText(/Held for/)
      .or(page.getByRole('link', { name: /^Order/ }))
      .first()
      .waitFor();
    await page.evaluate('document.activeElement.blur()');
    await find('nonsense id');
    await page
      .getByText(/neither|should be|id or/i)
      .first()
      .waitFor();
  });

  it('keeps the focus of who types into the search field before the first page is there', async (t) => {
    const { page } = await visit(t, browser, `${site.consumerUrl}/console/proof`);
    let answer = () => {};
    const typed = new Promise<void>((done) => {
      answer = done;
    });
    await page.route('**/overview', async (route) => {
      await typed;
      await route.continue();
    });
    const [event] = seeded.good;
    const id = event?.event_id as string;
    await page.goto(`${site.consumerUrl}/console`, { waitUntil: 'commit' });
    await page.locator('#query').focus();
    await page.keyboard.type(id.slice(0, 10));
    answer();
    await page.getByRole('heading', { name: 'What needs you' }).waitFor();
    await page.keyboard.type(id.slice(10));
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/console/**${id}*`);
  });

  it('is asked for a name once, and redrives one dead letter and those behind it', async (t) => {
    site.state.isFixed = false;
    const place = await letterOf(seeded.held[0]?.event_id as string);
    const url = `${site.consumerUrl}/console/dead-letters/${place}`;
    const { page } = await visit(t, browser, url, { name: null });
    await button(page, 'Redrive').click();
    await page.getByLabel('Your name').fill('<b>');
    await button(page, 'Continue').click();
    await page.getByRole('alert').getByText('letters, digits').waitFor();
    await page.getByLabel('Your name').fill('berta');
    await button(page, 'Continue').click();
    await page.getByText(`${place} failed`).waitFor();
    site.state.isFixed = true;
    await button(page, 'Redrive').click();
    await page.getByText(`${place} stored`).waitFor();
    await page.getByRole('cell', { name: 'berta' }).first().waitFor();
    site.state.isFixed = false;
    const order = await (await fetch(`${site.consumerUrl}/orders/${seeded.orderId}`)).json();
    assert.equal((order as { event_count: number }).event_count, 3);
  });

  it('edits a dead letter: an error is shown while typing, and the changes before sending', async (t) => {
    const place = await letterOf(seeded.broken.event_id);
    const { page } = await visit(t, browser, `${site.consumerUrl}/console/dead-letters/${place}`);
    await page.locator('main').press('e');
    const text = page.getByLabel('Event as JSON');
    await page.locator('.errors').getByText('greater than 0').waitFor();
    assert.equal(await button(page, 'Show the changes …').isDisabled(), true);
    const better = { ...seeded.broken, total_amount: '5.00', timestamp: '2026-01-02T03:04:05Z' };
    await text.fill(JSON.stringify({ ...better, total_amount: 'abc' }));
    await page.locator('.errors button', { hasText: 'total_amount' }).click();
    assert.equal(
      await page.evaluate(
        'document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)',
      ),
      '"total_amount"',
    );
    await text.fill(JSON.stringify(better));
    await page.getByText(/Valid\. \d fields? changed/).waitFor();
    await button(page, 'Show the changes …').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('row', { name: /total_amount.*-5.*5\.0000/ }).waitFor();
    await dialog.getByText('Tried and rolled back').getByText('stored').waitFor();
    await button(page, 'Redrive with this payload').click();
    await page.getByText(`${place} stored`).waitFor();
    await page.getByText('It is no dead letter any more').waitFor();
  });

  it('discards a dead letter with a reason', async (t) => {
    const answer = await fetch(
      `${site.consumerUrl}/dead-letters?state=parked&reason=invalid_event`,
    );
    const { items } = (await answer.json()) as { items: { place: string }[] };
    const place = items[0]?.place as string;
    const { page } = await visit(t, browser, `${site.consumerUrl}/console/dead-letters/${place}`);
    await button(page, 'Discard …').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await page.getByRole('alert').getByText('Give a reason').waitFor();
    await page.getByLabel('Reason').fill('A test of the shop');
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await page.getByRole('cell', { name: 'A test of the shop' }).waitFor();
    assert.equal(await button(page, 'Redrive').count(), 0);
  });

  it('acknowledges a finding of the proof with a reason, and it no longer counts', async (t) => {
    await site.pool.query(
      `INSERT INTO proof_findings (kind, subject, message)
       VALUES ('hole', '1/3/41-41', 'offsets before the position have no outcome')`,
    );
    const { page } = await visit(t, browser, `${site.consumerUrl}/console/proof`);
    await page.getByText(/1 open: hole 1/).waitFor();
    await button(page, 'Acknowledge …').click();
    await page.getByLabel('Why it may stay').fill('Deleted at the request of the customer');
    await button(page, 'Acknowledge').last().click();
    await page.getByRole('cell', { name: /ann .*: Deleted at the request/ }).waitFor();
    await page.getByText('no open findings').waitFor();
  });

  it('ticks a range by the keyboard alone, plans, and starts a job', async (t) => {
    site.state.isFixed = true;
    t.after(() => {
      site.state.isFixed = false;
    });
    const url = `${site.consumerUrl}/console/dead-letters?state=parked&q=valid+card`;
    const { page } = await visit(t, browser, url);
    const list = page.getByRole('table', { name: 'Dead letters', exact: true });
    await list.getByRole('row').nth(1).waitFor();
    // Through the rows of the groups to the list.
    const groups = await page
      .getByRole('table', { name: 'Groups of dead letters' })
      .locator('tbody tr')
      .count();
    for (let n = 0; n <= groups; n += 1) await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Shift+X');
    await page.getByText('3 ticked').waitFor();
    await page.keyboard.press('r');
    await page.getByLabel('Only the first').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Redrive 3 dead letters?' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/redrives/*');
    await page.getByText('100 %: 3 of 3 tried, done').waitFor();
  });

  it('redrives all that match a filter: count and reason, a rate, and stops the job', async (t) => {
    await park(200);
    const url = `${site.consumerUrl}/console/dead-letters?state=parked&reason=too_many`;
    const { page } = await visit(t, browser, url);
    // A filter keeps the focus, and is in the URL.
    await page.getByLabel('sort').focus();
    await page.getByLabel('sort').selectOption('oldest');
    await page.waitForURL('**/dead-letters?state=parked&reason=too_many&sort=oldest');
    assert.equal(await page.evaluate('document.activeElement.name'), 'sort');
    await button(page, 'Redrive all 200 that match …').click();
    await page.getByLabel('At most a second').fill('2');
    await button(page, 'Plan').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('that were tried and rolled back').waitFor();
    await dialog.getByLabel(/Type the count/).fill('20');
    await dialog.getByLabel('Reason').fill('The cause is corrected');
    await button(page, 'Redrive 200').click();
    await dialog.getByText('Type 200 to confirm').waitFor();
    await dialog.getByLabel(/Type the count/).fill('200');
    await button(page, 'Redrive 200').click();
    await page.waitForURL('**/console/redrives/*');
    await page.getByText(/[1-9]\d* of 200 tried, running/).waitFor();
    await button(page, 'Stop').click();
    await page.getByText(/of 200 tried, stopped/).waitFor();
    await page.getByText('The cause is corrected').waitFor();
  });

  it('keeps the place in a list while rows are selected, and is told how many are new', async (t) => {
    const { page } = await visit(
      t,
      browser,
      `${site.consumerUrl}/console/dead-letters?reason=refused_by_handler`,
    );
    const list = page.getByRole('table', { name: 'Dead letters', exact: true });
    const first = list.locator('tbody tr').first();
    await first.getByRole('checkbox').check();
    const key = await first.getAttribute('data-key');
    await site.append(
      [wireEvent(), wireEvent({ user_id: 'blocked-99' })].map((one) => JSON.stringify(one)),
    );
    await button(page, '1 new').waitFor();
    assert.equal(await first.getAttribute('data-key'), key);
    await button(page, '1 new').click();
    await list.getByText('User blocked-99 is blocked').waitFor();
    assert.equal(await list.locator(`tr[data-key="${key}"] input`).isChecked(), true);
  });

  it('sees 10,000 dead letters quickly, a page at a time', async (t) => {
    await park(10_000 - 200);
    const began = performance.now();
    const { page } = await visit(
      t,
      browser,
      `${site.consumerUrl}/console/dead-letters?reason=too_many`,
    );
    const tookMs = performance.now() - began;
    await page.getByText(/^10,000 match/).waitFor();
    assert.ok(tookMs < 15_000, `${tookMs} ms`);
    const rows = page.getByRole('table', { name: 'Dead letters', exact: true }).locator('tbody tr');
    assert.equal(await rows.count(), 100);
    const last = await rows.last().getAttribute('data-key');
    await page.getByRole('link', { name: 'Next page' }).click();
    await loaded(page);
    await until(
      'the next page is shown',
      async () => (await rows.last().getAttribute('data-key')) !== last,
    );
    await page.goBack();
    await until(
      'the first page is shown',
      async () => (await rows.last().getAttribute('data-key')) === last,
    );
  });
});

/** Parks records that are no events, as if they came over weeks. */
async function park(count: number): Promise<void> {
  await site.pool.query(
    `INSERT INTO dead_letters (log_id, log_partition, log_offset, state, reason, value, parked_at, detail)
     SELECT 1, 0, 1000000 + (SELECT count(*) FROM dead_letters) + n, 'parked', 'too_many', $2, clock_timestamp(), '{"message": "Too many"}'
     FROM generate_series(1, $1::int) n`,
    [count, Buffer.from(JSON.stringify({ id: randomUUID() }))],
  );
}
