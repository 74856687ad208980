/** What an id or a place belongs to. */
import { get } from '../api.js';
import { el, link } from '../dom.js';
import { clip } from '../format.js';
import { outcome } from '../outcomes.js';
import { KeyedTable } from '../table.js';
import { queryText } from '../url-state.js';

export function open(page) {
  const q = page.query.get('q') ?? '';
  document.getElementById('query').value = q;
  page.heading('Found');
  const hint = el('p', { className: 'soft' });
  const table = new KeyedTable({
    label: 'Found',
    empty: 'Nothing was found.',
    keyOf: ({ link: href }) => href,
    columns: [
      { title: 'what', cell: ({ kind }) => kind.replace('_', ' ') },
      { title: 'state', cell: ({ state }) => (state === null ? '' : outcome(state)) },
      { title: 'about', className: 'wide', cell: (item) => link(item.link, clip(item.text, 300)) },
      { title: 'id', className: 'id', cell: ({ id }) => id },
    ],
  });
  let isFirst = true;
  page.panel({
    title: clip(q, 80),
    events: ['outcome'],
    load: (signal) => get(`/find${queryText({ q })}`, signal),
    show({ items, hint: text }, body) {
      // The one thing that was meant is shown immediately.
      if (isFirst && items.length === 1) return page.app.go(items[0].link, { isReplaced: true });
      isFirst = false;
      table.update(items);
      hint.textContent = text ?? '';
      if (body.firstChild === null) body.append(table.node, hint);
    },
  });
}
