/** Conflicts: what differs, the first value and this one; grouped by source and field. */
import { get, serverNow } from '../api.js';
import { differences, groupConflicts } from '../differences.js';
import { el, link } from '../dom.js';
import { filterForm, pager } from '../filters.js';
import { ago, clip, HIDDEN, number, time, valueText } from '../format.js';
import { countNew } from '../hold.js';
import { isLocalTime } from '../preferences.js';
import { KeyedTable } from '../table.js';
import { filtersIn, queryText } from '../url-state.js';

export function open(page) {
  page.heading('Conflicts');
  const text =
    'Records whose event id another payload had first. The first one counts; these never take effect.';
  page.root.append(el('p', { className: 'soft' }, text));
  const sorts = [
    ['', 'newest'],
    ['oldest', 'oldest'],
    ['place', 'place'],
  ];
  page.root.append(
    filterForm(page, [
      { name: 'source', label: 'source' },
      { name: 'event_id', label: 'event', size: 38 },
      { name: 'sort', label: 'sort', options: sorts },
    ]),
  );
  const table = conflictTable();
  const groups = groupTable();
  const end = el('div');
  const query = { ...filtersIn(page.query, ['source', 'event_id', 'sort', 'after']), limit: 50 };
  page.panel({
    title: 'Conflicts',
    everyMs: 5000,
    events: ['outcome'],
    load: (signal) => get(`/conflicts${queryText(query)}`, signal),
    news: ({ items }) =>
      countNew(
        table.keys,
        items.map(({ place }) => place),
      ),
    show({ items, next }, body) {
      groups.update(groupConflicts(items));
      table.update(items);
      end.replaceChildren(pager(page, next));
      if (body.firstChild === null)
        body.append(
          el('h3', {}, 'By source and field, of this page'),
          groups.node,
          el('h3', {}, 'Each'),
          table.node,
          end,
        );
    },
  });
}

function conflictTable() {
  const isLocal = isLocalTime();
  return new KeyedTable({
    label: 'Conflicts',
    empty: 'There are no conflicts.',
    keyOf: ({ place }) => place,
    columns: [
      { title: 'place', className: 'id', cell: ({ place }) => place },
      {
        title: 'event',
        className: 'id',
        cell: ({ event_id: id }) => link(`/console/events/${id}`, id, { className: 'id-link' }),
      },
      { title: 'what differs: first → this', className: 'wide', cell: differsCell },
      { title: 'source', cell: ({ source }) => source ?? 'unknown' },
      { title: 'seen', className: 'id', cell: ({ seen_at: at }) => time(at, isLocal).slice(0, 19) },
    ],
  });
}

function differsCell({ differs, first_payload: first, payload }) {
  if (differs === null) return el('span', { className: 'soft' }, HIDDEN);
  const lines = differs.flatMap((one) => differences(one.first, one.this, one.field)).slice(0, 20);
  if (lines.length === 0) return el('span', { className: 'soft' }, 'Only the spelling differs.');
  const items = lines.map(({ path, first, other }) =>
    el(
      'div',
      { className: 'difference' },
      el('b', {}, `${clip(path, 100)}: `),
      el('del', {}, clip(valueText(first), 120)),
      ' → ',
      el('ins', {}, clip(valueText(other), 120)),
    ),
  );
  const both = [
    ['first', first],
    ['this', payload],
  ].map(([name, value]) =>
    el('div', {}, name, el('pre', { tabIndex: 0 }, clip(JSON.stringify(value, null, 1), 4000))),
  );
  return [...items, el('details', {}, el('summary', {}, 'Both payloads'), ...both)];
}

function groupTable() {
  return new KeyedTable({
    label: 'Conflicts by source and field',
    empty: 'There are no conflicts.',
    keyOf: ({ source, fields }) => `${source} ${fields}`,
    columns: [
      { title: 'count', className: 'number', cell: ({ count }) => number(count) },
      {
        title: 'source',
        cell: ({ source }) =>
          source === null
            ? 'unknown'
            : link(`/console/conflicts?source=${encodeURIComponent(source)}`, source),
      },
      { title: 'fields that differ', className: 'wide', cell: ({ fields }) => clip(fields, 200) },
      { title: 'newest', cell: ({ newest }) => `${ago(newest, serverNow())} ago` },
    ],
  });
}
