/** Redrive jobs, the newest first. */
import { get, serverNow } from '../api.js';
import { el, link } from '../dom.js';
import { filterForm, pager } from '../filters.js';
import { ago, number } from '../format.js';
import { countNew } from '../hold.js';
import { choiceText, progress } from '../job.js';
import { outcome } from '../outcomes.js';
import { KeyedTable } from '../table.js';
import { filtersIn, queryText } from '../url-state.js';

const STATES = ['waiting', 'running', 'stopping', 'done', 'stopped'];

export function open(page) {
  page.heading('Redrives');
  const start = [
    'To start one, choose ',
    link('/console/dead-letters?state=parked', 'dead letters'),
    '.',
  ];
  page.root.append(el('p', { className: 'soft' }, ...start));
  const options = [['', 'any'], ...STATES.map((one) => [one, one])];
  page.root.append(filterForm(page, [{ name: 'state', label: 'state', options }]));
  const table = new KeyedTable({
    label: 'Redrive jobs',
    empty: 'There are no such jobs.',
    keyOf: (job) => String(job.redrive_id),
    columns: [
      {
        title: 'job',
        className: 'number',
        cell: ({ redrive_id: id }) => link(`/console/redrives/${id}`, String(id)),
      },
      { title: 'state', cell: (job) => outcome(job.state) },
      { title: 'action', cell: ({ action }) => action },
      { title: 'what', className: 'wide', cell: choiceText },
      { title: 'progress', cell: progress },
      {
        title: 'tried',
        className: 'number',
        cell: ({ tried, total }) => `${number(tried)} of ${number(total)}`,
      },
      { title: 'by', cell: ({ asked_by: by }) => by },
      { title: 'asked', cell: ({ created_at: at }) => `${ago(at, serverNow())} ago` },
    ],
  });
  const end = el('div');
  const query = { ...filtersIn(page.query, ['state', 'after']), limit: 50 };
  page.panel({
    title: 'Jobs',
    events: ['redrive'],
    load: (signal) => get(`/redrives${queryText(query)}`, signal),
    news: ({ items }) =>
      countNew(
        table.keys,
        items.map((job) => String(job.redrive_id)),
      ),
    show({ items, next }, body) {
      table.update(items);
      end.replaceChildren(pager(page, next));
      if (body.firstChild === null) body.append(table.node, end);
    },
  });
}
