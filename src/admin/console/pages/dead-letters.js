/** Dead letters: groups, filters, ticks, and jobs over all that match. */
import { get, serverNow } from '../api.js';
import { button, el, link } from '../dom.js';
import { filterForm, pager } from '../filters.js';
import { ago, clip, detailText, HIDDEN, number, time } from '../format.js';
import { countNew } from '../hold.js';
import { outcome } from '../outcomes.js';
import { isLocalTime } from '../preferences.js';
import { startJob } from '../redrive-dialog.js';
import { KeyedTable } from '../table.js';
import { Ticks } from '../ticks.js';
import { filtersIn, queryText, withFilters } from '../url-state.js';

const CHOICE = ['state', 'reason', 'sqlstate', 'shape', 'order_id', 'event_id', 'q'];
/** A job takes parked ones only, and knows no event id. */
const OF_JOBS = ['reason', 'sqlstate', 'shape', 'order_id', 'q'];
const STATES = ['parked', 'waiting', 'discarded'];
const FIELDS = [
  { name: 'state', label: 'state', options: [['', 'any'], ...STATES.map((one) => [one, one])] },
  { name: 'reason', label: 'reason' },
  { name: 'sqlstate', label: 'SQLSTATE', size: 7 },
  { name: 'shape', label: 'message shape' },
  { name: 'order_id', label: 'order' },
  { name: 'event_id', label: 'event' },
  { name: 'q', label: 'contains' },
  {
    name: 'sort',
    label: 'sort',
    options: [
      ['', 'newest'],
      ['oldest', 'oldest'],
      ['place', 'place'],
    ],
  },
];

export function open(page) {
  page.heading('Dead letters');
  addGroups(page);
  page.root.append(filterForm(page, FIELDS));
  addList(page);
}

function addGroups(page) {
  const nowIn = filtersIn(page.query, ['state', 'reason', 'sqlstate', 'shape']);
  const filterOf = ({ state, reason, sqlstate, shape }) => ({
    state,
    reason,
    sqlstate: sqlstate ?? 'none',
    shape: shape ?? undefined,
  });
  const table = new KeyedTable({
    label: 'Groups of dead letters',
    empty: 'There are no dead letters.',
    // Where the shapes are hidden, an example tells the groups apart.
    keyOf: (group) => JSON.stringify([filterOf(group), group.shape === null && group.example]),
    columns: [
      { title: 'count', className: 'number', cell: ({ count }) => number(count) },
      { title: 'state', cell: (group) => outcome(group.state) },
      { title: 'reason', cell: (group) => groupLink(group, filterOf(group)) },
      { title: 'SQLSTATE', cell: ({ sqlstate }) => sqlstate ?? '' },
      {
        title: 'message shape',
        className: 'wide',
        cell: ({ shape }) => clip(shape ?? HIDDEN, 160),
      },
      { title: 'oldest', cell: ({ oldest }) => ago(oldest, serverNow()) },
      { title: 'newest', cell: ({ newest }) => ago(newest, serverNow()) },
    ],
    rowProps: (group) => {
      const filter = filterOf(group);
      // The state alone would mark most of them.
      const isShown =
        'reason' in nowIn && Object.entries(nowIn).every(([name, value]) => filter[name] === value);
      return { className: isShown ? 'chosen' : '' };
    },
  });
  page.panel({
    title: 'Groups',
    note: 'by state, reason, SQLSTATE and message without ids and numbers',
    everyMs: 6000,
    events: ['outcome'],
    load: (signal) => get('/dead-letters/groups', signal),
    news: ({ items }) =>
      countNew(
        table.keys,
        items.map((one) => JSON.stringify(filterOf(one))),
      ),
    show({ items, is_capped: isCapped }, body) {
      table.update(items);
      const note = isCapped
        ? el('p', { className: 'soft' }, 'Counted are the newest 100,000.')
        : '';
      body.lastChild?.className === 'soft' && body.lastChild.remove();
      if (body.firstChild === null) body.append(table.node);
      body.append(note);
    },
  });
}

function groupLink({ reason }, filter) {
  // An empty filter is no filter, so a group without messages is chosen by its reason alone.
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''));
  return link(withFilters('/console/dead-letters', new URLSearchParams(), given), reason, {
    className: 'strong',
  });
}

function addList(page) {
  const choice = filtersIn(page.query, CHOICE);
  const query = { ...choice, ...filtersIn(page.query, ['sort', 'after']), limit: 100, total: true };
  const bar = el('div', { className: 'bar', role: 'toolbar', 'aria-label': 'Bulk actions' });
  let total = null;
  const ticks = new Ticks(() => showBar());
  const showBar = () => bar.replaceChildren(...bulkActions({ page, choice, ticks, total }));
  const table = new KeyedTable({
    label: 'Dead letters',
    empty:
      Object.keys(choice).length === 0
        ? 'There are no dead letters.'
        : 'No dead letter matches these filters.',
    keyOf: ({ place }) => place,
    columns: columnsOf(page.app.may.change ? [ticks.column(({ place }) => place)] : []),
  });
  ticks.attach(table);
  const end = el('div');
  page.panel({
    title: 'Dead letters',
    everyMs: page.query.get('after') === null ? 4000 : 8000,
    events: ['outcome', 'redrive'],
    load: (signal) => get(`/dead-letters${queryText(query)}`, signal),
    news: ({ items }) =>
      countNew(
        table.keys,
        items.map(({ place }) => place),
      ),
    show(list, body) {
      total = list.total;
      table.update(list.items);
      ticks.keep(table.keys);
      end.replaceChildren(pager(page, list.next));
      if (body.firstChild === null) body.append(bar, table.node, end);
    },
  });
}

function columnsOf(first) {
  const isLocal = isLocalTime();
  return [
    ...first,
    {
      title: 'place',
      className: 'id',
      cell: ({ place }) => link(`/console/dead-letters/${place}`, place),
    },
    { title: 'state', cell: (one) => outcome(one.state) },
    { title: 'reason', className: 'wide', cell: whyCell },
    { title: 'order', className: 'id', cell: ({ order_id: id }) => idLink('orders', id) },
    { title: 'event', className: 'id', cell: ({ event_id: id }) => idLink('events', id) },
    {
      title: 'parked',
      className: 'id',
      cell: ({ parked_at: at }) => time(at, isLocal).slice(0, 19),
    },
  ];
}

function whyCell({ reason, sqlstate, detail }) {
  const code = sqlstate === null ? reason : `${reason} ${sqlstate}`;
  const text = detailText(detail);
  return [
    el('div', {}, code),
    text === '' ? '' : el('div', { className: 'soft' }, clip(text, 240)),
  ];
}

function idLink(kind, id) {
  return id === null ? '' : link(`/console/${kind}/${id}`, id, { className: 'id-link' });
}

function bulkActions({ page, choice, ticks, total }) {
  const { keys } = ticks;
  const count = total === null ? '' : `${total.text} match`;
  if (!page.app.may.change) return [el('span', { className: 'soft' }, count)];
  const { state, event_id: event } = choice;
  const isBulk = event === undefined && (state === undefined || state === 'parked');
  const filter = filtersIn(new URLSearchParams(choice), OF_JOBS);
  const act = (action) => () =>
    startJob(page.app, keys.length > 0 ? { places: keys } : { filter }, action);
  if (keys.length > 0) {
    return [
      el('span', {}, `${number(keys.length)} ticked`),
      button('Redrive ticked …', act('redrive'), { 'data-keyed': 'redrive', className: 'primary' }),
      button('Discard ticked …', act('discard')),
      button('Untick', () => ticks.clear()),
    ];
  }
  if (!isBulk || total === null || total.count === 0) {
    const why = isBulk ? '' : ' – bulk actions take parked ones, without the filter for an event';
    return [el('span', { className: 'soft' }, count + why)];
  }
  const all = `all ${state === 'parked' ? total.text : 'parked'} that match`;
  return [
    el('span', {}, count),
    button(`Redrive ${all} …`, act('redrive'), { 'data-keyed': 'redrive' }),
    button(`Discard ${all} …`, act('discard')),
  ];
}
