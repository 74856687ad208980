/** Starts the console: header, pages by path, live updates, keys. */
import { get, onKeyNeeded, serverNow } from './api.js';
import { ask } from './dialog.js';
import { state } from './dom.js';
import { span } from './format.js';
import { listenToKeys } from './keys.js';
import { Live } from './live.js';
import { Page } from './page.js';
import { PAGES } from './pages.js';
import { isLocalTime, keepApiKey, keepZone } from './preferences.js';
import { matchPath } from './url-state.js';

const at = (id) => document.getElementById(id);
const OVERVIEW_MS = 5000;
const VERDICTS = { fine: ['good', 'fine'], look: ['look', 'look'], act: ['bad', 'act now'] };

const live = new Live();
let page = null;
let overviewAt = 0;

const app = {
  /** Whether this service accepts changes from here; buttons that it would refuse are not shown. */
  may: { change: false, whyNot: null },
  /** The last overview; null before the first. */
  overview: null,
  go(url, { isReplaced = false } = {}) {
    if (isReplaced) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    show();
  },
  /** Tells what was done. */
  say(text) {
    at('notice').textContent = text;
    at('notice-box').hidden = text === '';
  },
};

function show() {
  const { pathname, searchParams } = new URL(location.href);
  const found = matchPath(pathname, PAGES) ?? { page: PAGES[0][1], rest: '' };
  const isFirst = page === null;
  const isSamePath = page?.path === pathname;
  const focused = document.activeElement;
  const isFocusInside = at('main').contains(focused) && focused !== at('main');
  page?.leave();
  page = new Page(app, { path: pathname, rest: found.rest, query: searchParams });
  at('main').replaceChildren(page.root);
  found.page.open(page);
  setTitle();
  for (const entry of document.querySelectorAll('#nav a')) {
    const isCurrent =
      entry.pathname === pathname ||
      (pathname.startsWith(`${entry.pathname}/`) && entry.pathname !== '/console');
    if (isCurrent || (pathname === '/' && entry.pathname === '/console'))
      entry.setAttribute('aria-current', 'page');
    else entry.removeAttribute('aria-current');
  }
  // Who is quick types into the search field before the first page is there.
  if (isFirst || (isSamePath && !isFocusInside)) return;
  // Who changes a filter stays in its field.
  const field = isSamePath && focused.name ? `[name="${CSS.escape(focused.name)}"]` : null;
  if (field !== null) return page.root.querySelector(field)?.focus();
  scrollTo(0, 0);
  // A screen reader reads the heading of the new page.
  if (focused !== document.body) page.root.querySelector('h1')?.focus();
}

function setTitle() {
  const needs = app.overview?.needs.length ?? 0;
  const name = page?.root.querySelector('h1')?.textContent ?? '';
  document.title = `${needs === 0 ? '' : `(${needs}) `}${name} · Orderonce`;
}

/** Clicks on links within the console change the page without loading it. */
function onClick(event) {
  const anchor = event.target.closest?.('a');
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (anchor == null || !isPlain || anchor.target !== '' || anchor.origin !== location.origin)
    return;
  if (!/^\/(console(\/|$)|$)/.test(anchor.pathname) || anchor.hash !== '') return;
  event.preventDefault();
  app.go(anchor.pathname + anchor.search);
}

async function readOverview() {
  try {
    takeOverview(await get('/overview'));
  } catch {
    // The header says for how long there is no answer.
  }
}

function takeOverview(overview) {
  app.overview = overview;
  overviewAt = performance.now();
  page?.onEvent('overview', overview);
  setTitle();
}

function showHeader() {
  const age = performance.now() - overviewAt;
  const isAway = live.lostAt !== null && age > OVERVIEW_MS * 1.5;
  const { verdict, as_of: asOf } = app.overview ?? {};
  const oldMs = asOf === undefined ? 0 : serverNow() - Date.parse(asOf);
  const isOld = !isAway && oldMs > 10_000;
  const away = isAway ? ['bad', 'no answer, trying again'] : isOld ? ['bad', 'old values'] : null;
  const shown = away ?? VERDICTS[verdict] ?? ['idle', 'connecting'];
  // Beside the status, which a screen reader would read each second.
  at('away').textContent = isAway
    ? `for ${span((Date.now() - live.lostAt) / 1000)}`
    : isOld
      ? `of ${span(oldMs / 1000)} ago`
      : '';
  const badge = at('verdict');
  const text = shown.join(' ');
  if (badge.dataset.text === text) return;
  badge.dataset.text = text;
  badge.replaceChildren(state(...shown));
}

let isAsking = false;
async function askKey() {
  if (isAsking) return;
  isAsking = true;
  const hint =
    'Reading needs a key of role "read", changes one of role "admin". It is kept until this tab is closed.';
  const fields = [{ name: 'key', label: 'API key', type: 'password', hint }];
  const given = await ask({
    title: 'This service needs an API key',
    fields,
    confirm: 'Use this key',
  });
  if (given === null) {
    // Who cancelled is not asked again by the next update.
    at('read-only').textContent = 'This service needs an API key. Reload the page to give one.';
    at('read-only').hidden = false;
    return;
  }
  isAsking = false;
  keepApiKey(given.key);
  await start();
}

async function start() {
  live.restart();
  await readAccess();
  await readOverview();
  show();
}

async function readAccess() {
  try {
    const access = await get('/access');
    app.may = { change: access.may_change, whyNot: access.why_not };
    at('read-only').textContent = access.why_not ?? '';
    at('read-only').hidden = access.may_change;
  } catch {
    // As for any page: it is asked again once the service answers.
  }
  get('/health').then(
    (health) => {
      at('topic').textContent = health.topic ?? '';
    },
    (error) => {
      at('topic').textContent = error.body?.topic ?? '';
    },
  );
}

onKeyNeeded.call = () => void askKey();
live.listen((kind, data) => {
  if (kind === 'overview') takeOverview(data);
  else page?.onEvent(kind, data);
  if (kind === 'open') void readAccess();
});
document.addEventListener('click', onClick);
addEventListener('popstate', show);
at('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const query = at('query').value.trim();
  if (query !== '') app.go(`/console/find?${new URLSearchParams({ q: query })}`);
});
at('zone').addEventListener('click', () => {
  keepZone(!isLocalTime());
  at('zone').textContent = isLocalTime() ? 'Local time' : 'UTC';
  show();
});
at('zone').textContent = isLocalTime() ? 'Local time' : 'UTC';
at('notice-close').addEventListener('click', () => app.say(''));
listenToKeys(app);
setInterval(() => {
  showHeader();
  const isDue = performance.now() - overviewAt > OVERVIEW_MS;
  if (isDue && !document.hidden) void readOverview();
}, 1000);
live.start();
await start();
showHeader();
