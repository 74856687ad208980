/** Partitions with their owners and versions. What must be decided is a command to copy, never a button. */
import { get, serverNow } from '../api.js';
import { el, state } from '../dom.js';
import { ago, many, time } from '../format.js';
import { History } from '../history.js';
import { outcome } from '../outcomes.js';
import { partitionTable } from '../partition-table.js';
import { isLocalTime } from '../preferences.js';
import { command } from '../snippet.js';
import { KeyedTable } from '../table.js';

const history = new History();
/** The command in a message: from npx to the end of its sentence. */
const COMMAND = /((?:npx )?orderonce (?:positions|doctor|migrate)[^.;"]*(?:"[^"]*")?)/;

/** The decision that a stopped partition waits for. Pure. @returns null if its message names none. */
export function commandOf({ state: word, trouble }) {
  if (word !== 'stopped') return null;
  const found = COMMAND.exec(trouble ?? '')?.[1]?.trim() ?? null;
  return found === null || found.startsWith('npx') ? found : `npx ${found}`;
}

export function open(page) {
  page.heading('Partitions');
  const table = partitionTable('Partitions', history);
  const decisions = el('div');
  page.on('overview', (overview) => history.note(overview));
  page.panel({
    title: 'Partitions',
    load: (signal) => get('/positions', signal),
    show({ items }, body) {
      table.update(items);
      decisions.replaceChildren(...decisionsOf(items));
      if (body.firstChild === null) body.append(decisions, table.node);
    },
  });
  const processes = processTable();
  const differ = el('p');
  page.panel({
    title: 'Consumers',
    note: 'each reports itself every 5 s',
    load: (signal) => get('/processes', signal),
    show({ items }, body) {
      processes.update(items);
      differ.replaceChildren(...warningOf(items));
      if (body.firstChild === null) body.append(differ, processes.node);
    },
  });
}

function decisionsOf(items) {
  return items.flatMap((one) => {
    const text = commandOf(one);
    if (text === null) return [];
    const why = `Partition ${one.partition} waits for a decision. Read docs/positions.md, then run, with your reason:`;
    return [el('p', {}, state('bad', why)), command(text)];
  });
}

function warningOf(items) {
  const digests = new Set(
    items.filter((one) => one.state === 'running').map((one) => one.handlers.digest),
  );
  return digests.size > 1
    ? [state('look', 'The handlers of the consumers differ. During a deployment that is normal.')]
    : [];
}

function processTable() {
  const isLocal = isLocalTime();
  return new KeyedTable({
    label: 'Consumers',
    empty: 'No consumer reports itself.',
    keyOf: ({ owner }) => owner,
    columns: [
      {
        title: 'consumer',
        className: 'id',
        cell: (one) => `${one.owner}${one.is_this ? ' (answers here)' : ''}`,
      },
      { title: 'state', cell: (one) => outcome(one.state) },
      { title: 'version', cell: ({ version }) => version },
      { title: 'handlers', className: 'wide', cell: handlersText },
      { title: 'partitions', cell: partitionsText },
      {
        title: 'started',
        className: 'id',
        cell: (one) => time(one.started_at, isLocal).slice(0, 19),
      },
      { title: 'reported', cell: (one) => `${ago(one.seen_at, serverNow())} ago` },
    ],
  });
}

function handlersText({ handlers: { names, digest } }) {
  if (names.length === 0) return 'none';
  return `${names.join(', ')}${digest === null ? '' : ` (${digest.slice(0, 8)})`}`;
}

function partitionsText({ partitions }) {
  if (partitions.length === 0) return 'none';
  const troubled = partitions.filter((one) => one.state !== 'running');
  const text =
    partitions.length > 12
      ? many(partitions.length, 'partition')
      : partitions.map((one) => one.partition).join(', ');
  return troubled.length === 0
    ? text
    : `${text}; ${many(troubled.length, 'partition')} not running`;
}
