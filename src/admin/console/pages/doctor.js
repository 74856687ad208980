/** Whether the deployment is fit, and how to correct what is not. */
import { get, serverNow } from '../api.js';
import { button, el, state } from '../dom.js';
import { ago, clip } from '../format.js';
import { KeyedTable } from '../table.js';

const MOODS = { ok: 'good', warn: 'look', fail: 'bad' };
const RANKS = ['fail', 'warn', 'ok'];

export function open(page) {
  page.heading('Doctor');
  const table = new KeyedTable({
    label: 'Checks',
    empty: 'No check was made.',
    keyOf: ({ area, check }) => `${area} ${check}`,
    columns: [
      { title: 'verdict', cell: ({ verdict }) => state(MOODS[verdict], verdict) },
      { title: 'area', cell: ({ area }) => area },
      { title: 'check', cell: ({ check }) => check },
      { title: 'found, and what to do', className: 'wide', cell: foundCell },
    ],
  });
  const summary = el('p');
  let isFresh = true;
  const again = button('Run now', async () => {
    isFresh = true;
    again.disabled = true;
    panel.reload(true);
  });
  const panel = page.panel({
    title: 'Checks',
    note: 'made by the consumer that answers here, and kept for a minute',
    everyMs: 8000,
    load: async (signal) => {
      const answer = await get(isFresh ? '/doctor?fresh=true' : '/doctor', signal);
      isFresh = false;
      return answer;
    },
    show({ fit, checked_at: at, findings }, body) {
      again.disabled = false;
      const sorted = [...findings].sort(
        (a, b) => RANKS.indexOf(a.verdict) - RANKS.indexOf(b.verdict),
      );
      table.update(sorted);
      const verdict = fit ? state('good', 'fit') : state('bad', 'not fit');
      summary.replaceChildren(verdict, ` checked ${ago(at, serverNow())} ago `, again);
      if (body.firstChild === null) body.append(summary, table.node);
    },
  });
}

function foundCell({ found, remedy }) {
  return [
    el('div', {}, clip(found, 600)),
    remedy === undefined ? '' : el('div', { className: 'strong' }, clip(remedy, 600)),
  ];
}
