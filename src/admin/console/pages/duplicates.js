/** Duplicates over time and by source, and the newest ones. */
import { get } from '../api.js';
import { stackedBars } from '../chart.js';
import { el, link } from '../dom.js';
import { filterForm, pager } from '../filters.js';
import { number, spanMs, time } from '../format.js';
import { countNew } from '../hold.js';
import { isLocalTime } from '../preferences.js';
import { KeyedTable } from '../table.js';
import { filtersIn, queryText, withFilters } from '../url-state.js';

const SPANS = [
  ['', 'last hour'],
  ['360', 'last 6 hours'],
  ['1440', 'last day'],
  ['10080', 'last week'],
  ['43200', 'last 30 days'],
];

export function open(page) {
  page.heading('Duplicates');
  page.root.append(
    el(
      'p',
      { className: 'soft' },
      'Records that repeat a stored event. They have no effect; many of them show a client that sends again and again.',
    ),
  );
  page.root.append(
    filterForm(page, [
      { name: 'minutes', label: 'time', options: SPANS },
      { name: 'source', label: 'source' },
      { name: 'event_id', label: 'event', size: 38 },
    ]),
  );
  addChart(page);
  addSources(page);
  addList(page);
}

function addChart(page) {
  const query = {
    minutes: page.query.get('minutes') ?? '60',
    outcome: 'duplicate',
    by: 'source',
    ...filtersIn(page.query, ['source']),
  };
  page.panel({
    title: 'Over time',
    note: 'by source; consumers add their counts every 10 s',
    everyMs: 8000,
    load: (signal) => get(`/activity${queryText(query)}`, signal),
    show(activity, body) {
      const classOf = (_name, index) => `s${index % 8}`;
      const options = { label: 'Duplicates by source', classOf, isLocal: isLocalTime() };
      const none = el('p', { className: 'empty' }, 'There were no duplicates in this time.');
      body.replaceChildren(activity.series.length === 0 ? none : stackedBars(activity, options));
    },
  });
}

function addSources(page) {
  const within = { true: 'within a minute', false: 'later', null: 'unknown' };
  const url = (source) => withFilters(page.path, page.query, { source });
  const table = new KeyedTable({
    label: 'Sources of duplicates',
    empty: 'There are no duplicates.',
    keyOf: (one) => `${one.source} ${one.within_a_minute}`,
    columns: [
      {
        title: 'source',
        className: 'wide',
        cell: ({ source }) => (source === null ? 'unknown' : link(url(source), source)),
      },
      { title: 'after the first', cell: (one) => within[one.within_a_minute] },
      { title: 'records', className: 'number', cell: ({ count }) => number(count) },
    ],
  });
  page.panel({
    title: 'Sources',
    note: 'of the newest 100,000 at most',
    everyMs: 8000,
    load: (signal) => get('/duplicates/sources', signal),
    show({ items }, body) {
      table.update(items);
      if (body.firstChild === null) body.append(table.node);
    },
  });
}

function addList(page) {
  const isLocal = isLocalTime();
  const table = new KeyedTable({
    label: 'Duplicates',
    empty: 'There are no such duplicates.',
    keyOf: ({ place }) => place,
    columns: [
      { title: 'place', className: 'id', cell: ({ place }) => place },
      {
        title: 'event',
        className: 'id',
        cell: ({ event_id: id }) => link(`/console/events/${id}`, id, { className: 'id-link' }),
      },
      { title: 'source', className: 'wide', cell: ({ source }) => source ?? 'unknown' },
      {
        title: 'after the first',
        className: 'number',
        cell: ({ after_ms: ms }) => (ms === null ? '?' : spanMs(ms)),
      },
      { title: 'seen', className: 'id', cell: ({ seen_at: at }) => time(at, isLocal).slice(0, 19) },
    ],
  });
  const end = el('div');
  const query = { ...filtersIn(page.query, ['source', 'event_id', 'after']), limit: 50 };
  page.panel({
    title: 'Newest',
    everyMs: 5000,
    events: ['outcome'],
    load: (signal) => get(`/duplicates${queryText(query)}`, signal),
    news: ({ items }) =>
      countNew(
        table.keys,
        items.map(({ place }) => place),
      ),
    show({ items, next }, body) {
      table.update(items);
      end.replaceChildren(pager(page, next));
      if (body.firstChild === null) body.append(table.node, end);
    },
  });
}
