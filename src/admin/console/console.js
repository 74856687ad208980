/** The console. It shows the answers of this service's HTTP API, and sends changes to it. */

const REFRESH_MS = 3000;
const LETTERS_SHOWN = 50;
const CHANGE = { 'Content-Type': 'application/json', 'Orderonce-Actor': 'console' };

/** Whether this service accepts changes from here. Buttons that it would refuse are not shown. */
let mayChange = false;

const at = (id) => document.getElementById(id);

/** Makes an element. Strings become text nodes, so text of an event can never become markup. */
function el(tag, props = {}, ...children) {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Adds the API key, which the browser keeps until this tab is closed. */
function withKey(headers = {}) {
  const key = sessionStorage.getItem('key');
  return key === null ? headers : { ...headers, Authorization: `Bearer ${key}` };
}

async function get(url) {
  const answer = await fetch(url, { headers: withKey() });
  const body = await answer.json();
  if (answer.status === 401) at('login').hidden = false;
  if (answer.status === 401 || answer.status === 403) throw new Error(body.detail);
  return { status: answer.status, body };
}

/**
 * @param columns [title, function from a row to its cell, class].
 * @param empty the text that is shown if there are no rows.
 */
function table(columns, rows, empty) {
  if (rows.length === 0) return el('p', { className: 'empty' }, empty);
  const head = columns.map(([title, , className = '']) => el('th', { className }, title));
  const body = rows.map((row) =>
    el(
      'tr',
      {},
      ...columns.map(([, cell, className = '']) => {
        const content = cell(row);
        const parts = Array.isArray(content) ? content : [content ?? ''];
        return el('td', { className }, ...parts);
      }),
    ),
  );
  return el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...body));
}

function notice(text) {
  at('notice').textContent = text;
  at('notice').hidden = text === '';
}

async function showAccess() {
  const { body } = await get('/access');
  mayChange = body.may_change;
  at('read-only').textContent = body.why_not ?? '';
  at('read-only').hidden = mayChange;
}

async function showHealth() {
  const { status, body } = await get('/health');
  const badge = at('health');
  badge.textContent = body.status;
  badge.className = `badge ${status === 200 ? 'good' : 'bad'}`;
  at('topic').textContent = body.topic ?? '';
  const lines = [...(body.detail ? [body.detail] : []), ...(body.warnings ?? [])];
  at('trouble').textContent = lines.join(' · ');
  at('trouble').hidden = lines.length === 0;
}

async function showPartitions() {
  const { body } = await get('/positions');
  const { items } = body;
  const columns = [
    ...(items.some((p) => p.topic) ? [['topic', (p) => p.topic]] : []),
    ['partition', (p) => p.partition, 'number'],
    ['position', (p) => p.position.toLocaleString('en'), 'number'],
    ['log end', (p) => p.log_end?.toLocaleString('en') ?? '?', 'number'],
    ['lag', (p) => p.lag?.toLocaleString('en') ?? '?', 'number'],
    ['state', (p) => p.state],
    ['since', (p) => p.since ?? ''],
    ['failed attempts', (p) => p.attempts ?? '', 'number'],
    ['trouble', (p) => p.trouble ?? ''],
  ];
  at('partitions').replaceChildren(
    table(
      columns,
      items,
      'No partition has a position yet. A consumer creates positions at its first start.',
    ),
  );
  const lag = items.reduce((sum, p) => sum + (p.lag ?? 0), 0);
  at('lag').textContent = `${lag.toLocaleString('en')} records to process`;
}

async function showDuplicates() {
  const { body } = await get('/duplicates/sources');
  const within = { true: 'within a minute', false: 'later', null: 'unknown' };
  const columns = [
    ['source', (row) => row.source ?? 'unknown'],
    ['time after the first', (row) => within[row.within_a_minute]],
    ['records', (row) => row.count.toLocaleString('en'), 'number'],
  ];
  at('duplicates').replaceChildren(table(columns, body.items, 'No duplicates.'));
}

async function showLetters() {
  const groups = await get('/dead-letters/groups');
  const list = await get(`/dead-letters?limit=${LETTERS_SHOWN}`);
  const ofGroups = [
    ['state', (g) => g.state],
    ['reason', (g) => g.reason],
    ['SQLSTATE', (g) => g.sqlstate ?? ''],
    ['records', (g) => g.count.toLocaleString('en'), 'number'],
    ['', (g) => (mayChange && g.state === 'parked' ? redriveAll(g.reason) : '')],
  ];
  at('groups').replaceChildren(table(ofGroups, groups.body.items, 'No dead letters.'));
  if (list.body.items.length === 0) {
    at('letters').replaceChildren();
    return;
  }
  const ofLetters = [
    ['place', (l) => l.place, 'id'],
    ['state', (l) => l.state],
    ['reason', (l) => [l.reason, whyOf(l)].filter((part) => part !== '').join(': ')],
    ['event', (l) => l.event_id ?? '', 'id'],
    ['order', (l) => l.order_id ?? '', 'id'],
    ['', (l) => actionsOf(l)],
  ];
  const more =
    list.body.next === null
      ? null
      : el(
          'p',
          { className: 'empty' },
          `The first ${LETTERS_SHOWN} are shown. List the others with "orderonce dead-letters list".`,
        );
  at('letters').replaceChildren(table(ofLetters, list.body.items, ''), more ?? '');
}

function whyOf({ detail }) {
  if (detail === null) return '';
  if (Array.isArray(detail))
    return detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
  return detail.message ?? JSON.stringify(detail);
}

function button(text, onclick) {
  return el('button', { type: 'button', onclick }, text);
}

function redriveAll(reason) {
  const url = `/dead-letters/redrive?reason=${encodeURIComponent(reason)}`;
  return button('Redrive all', () => change(url));
}

function actionsOf({ place, state }) {
  const url = `/dead-letters/${place}`;
  const show = button('Show', () => showLetter(place));
  if (state === 'discarded' || !mayChange) return [show];
  const discard = () => {
    const reason = prompt(`Why do you discard ${place}? It will never take effect.`);
    if (reason) void change(`${url}/discard`, JSON.stringify({ reason }));
  };
  return [show, button('Redrive', () => change(`${url}/redrive`)), button('Discard', discard)];
}

async function change(url, body) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: withKey(CHANGE),
    ...(body ? { body } : {}),
  });
  const { results = [], detail } = await answer.json();
  if (!answer.ok) {
    notice(typeof detail === 'string' ? detail : whyOf({ detail }));
  } else {
    const lines = results.map(
      ({ place, outcome, message = '' }) => `${place} ${outcome} ${message}`,
    );
    notice(lines.join(' · ') || 'There was nothing to do.');
  }
  await refresh();
}

async function showLetter(place) {
  const { body } = await get(`/dead-letters/${place}`);
  const text = el('textarea', { value: body.value_text ?? '', ariaLabel: 'payload' });
  const edit = button('Redrive with this payload', () =>
    change(`/dead-letters/${place}/edit`, text.value),
  );
  const facts = el('pre', {}, JSON.stringify({ ...body, value_base64: undefined }, null, 2));
  showFound(body.state === 'discarded' || !mayChange ? [facts] : [facts, text, edit]);
}

function showFound(children) {
  const section = at('found');
  section.hidden = false;
  section.querySelector('div').replaceChildren(...children);
  section.scrollIntoView({ block: 'nearest' });
}

async function showConflicts() {
  const { body } = await get('/conflicts?limit=20');
  const columns = [
    ['place', (c) => c.place, 'id'],
    ['event', (c) => c.event_id, 'id'],
    ['source', (c) => c.source ?? 'unknown'],
    ['first payload', (c) => el('pre', {}, JSON.stringify(c.first_payload, null, 1))],
    ['this payload', (c) => el('pre', {}, JSON.stringify(c.payload, null, 1))],
  ];
  at('conflicts').replaceChildren(table(columns, body.items, 'No conflicts.'));
}

async function search(event) {
  event.preventDefault();
  const id = encodeURIComponent(at('query').value.trim());
  if (id === '') return;
  const asEvent = await get(`/events/${id}`);
  const found = asEvent.status === 404 ? await get(`/orders/${id}`) : asEvent;
  const { detail } = found.body;
  const unknown = typeof detail === 'string' ? `${asEvent.body.detail}` : detail?.[0]?.msg;
  showFound([
    found.status === 200
      ? el('pre', {}, JSON.stringify(found.body, null, 2))
      : el('p', { className: 'empty' }, unknown),
  ]);
}

async function refresh() {
  // Before the others: it decides which buttons they have.
  await showAccess().catch(() => {});
  const parts = [showHealth, showPartitions, showDuplicates, showLetters, showConflicts];
  const results = await Promise.allSettled(parts.map((show) => show()));
  const isAway = results.every(({ status }) => status === 'rejected');
  if (isAway) {
    at('health').textContent = 'no answer';
    at('health').className = 'badge bad';
  }
  at('at').textContent = `as of ${new Date().toLocaleTimeString()}`;
}

at('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('key', at('key').value.trim());
  at('key').value = '';
  at('login').hidden = true;
  void refresh();
});
at('search').addEventListener('submit', (event) => void search(event));
await refresh();
setInterval(() => {
  // A hidden tab does not load the service.
  if (!document.hidden) void refresh();
}, REFRESH_MS);
