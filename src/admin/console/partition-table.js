/** The table of partitions, on two pages. */
import { serverNow } from './api.js';
import { ago, number } from './format.js';
import { outcome } from './outcomes.js';
import { KeyedTable } from './table.js';

const ARROWS = { rising: '↗ rising', falling: '↘ falling', steady: '→ steady', '': '' };

/** @param history of this tab, for the trend; absent: no trend. */
export function partitionTable(label, history) {
  const trend = (one) => ARROWS[history.trend(`lag ${nameOf(one)}`)];
  return new KeyedTable({
    label,
    empty: 'No partition has a position yet. A consumer creates positions at its first start.',
    keyOf: nameOf,
    columns: [
      { title: 'partition', className: 'number', cell: nameOf },
      { title: 'state', cell: (one) => outcome(one.state) },
      { title: 'to process', className: 'number', cell: (one) => number(one.lag) },
      ...(history === undefined ? [] : [{ title: 'trend', cell: trend }]),
      { title: 'position', className: 'number', cell: (one) => number(one.position) },
      { title: 'end of the log', className: 'number', cell: (one) => number(one.log_end) },
      { title: 'moved', cell: (one) => `${ago(one.updated_at, serverNow())} ago` },
      { title: 'owner', className: 'id', cell: (one) => one.owner ?? 'nobody' },
      { title: 'reason', className: 'wide', cell: reasonOf },
    ],
  });
}

/** A partition; with its topic where the log has several. Pure. */
export function nameOf({ topic, partition }) {
  return topic ? `${topic} ${partition}` : String(partition);
}

function reasonOf({ code, trouble, since, attempts }) {
  if (code === null) return '';
  const tries = attempts === null ? '' : `, ${number(attempts)} attempts`;
  return `${code} for ${ago(since, serverNow())}${tries}: ${trouble ?? ''}`;
}
