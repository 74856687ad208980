/** The keys of the console. */
import { ask } from './dialog.js';
import { el } from './dom.js';

const GO = {
  o: ['/console', 'Overview'],
  d: ['/console/dead-letters', 'Dead letters'],
  r: ['/console/redrives', 'Redrives'],
  c: ['/console/conflicts', 'Conflicts'],
  u: ['/console/duplicates', 'Duplicates'],
  p: ['/console/partitions', 'Partitions'],
  v: ['/console/proof', 'Proof'],
};
const HELP = [
  ['/', 'search'],
  ...Object.entries(GO).map(([key, [, name]]) => [`g ${key}`, name]),
  ['j, k', 'next and previous row'],
  ['Enter', 'open the row'],
  ['x, Shift x', 'tick the row; up to the last ticked one'],
  ['r', 'redrive what is ticked, or the dead letter of this page'],
  ['e', 'edit the dead letter'],
  ['?', 'this help'],
  ['Esc', 'close a dialogue, or leave a row'],
];
const CHORD_MS = 1500;

const ACTIONS = new Map([
  ['/', 'search'],
  ['?', 'help'],
  ['j', 'next'],
  ['k', 'previous'],
  ['x', 'tick'],
  ['X', 'range'],
  ['r', 'redrive'],
  ['e', 'edit'],
  ['Enter', 'open'],
  ['Escape', 'leave'],
]);

/** Which key was pressed, after which. Pure. @returns what it means; null if nothing. */
export function meaningOf(key, previous) {
  if (previous === 'g') return Object.hasOwn(GO, key) ? { go: GO[key][0] } : null;
  const action = ACTIONS.get(key);
  return action === undefined ? null : { action };
}

/** Listens to keys. @param app { go }. */
export function listenToKeys(app) {
  let previous = { key: '', at: 0 };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const isTyping = event.target.closest?.('input:not([type=checkbox]), textarea, select') != null;
    if (isTyping) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const isChord = previous.key === 'g' && event.timeStamp - previous.at < CHORD_MS;
    const meaning = meaningOf(event.key, isChord ? 'g' : '');
    previous = { key: event.key, at: event.timeStamp };
    if (meaning === null) return;
    if (meaning.go !== undefined) {
      event.preventDefault();
      app.go(meaning.go);
    } else if (act(meaning.action, event.target)) event.preventDefault();
  });
}

/** @returns whether something was done. */
function act(action, target) {
  const row = document.activeElement?.closest('[data-key]') ?? null;
  switch (action) {
    case 'search':
      document.getElementById('query').focus();
      document.getElementById('query').select();
      return true;
    case 'help':
      void showHelp();
      return true;
    case 'next':
    case 'previous':
      return move(row, action === 'next' ? 1 : -1);
    case 'tick':
    case 'range': {
      const box = row?.querySelector('input[type=checkbox]');
      box?.dispatchEvent(new MouseEvent('click', { shiftKey: action === 'range', bubbles: true }));
      return box != null;
    }
    case 'open': {
      // On a link or a button, Enter does what it always does.
      const opener = target === row ? row?.querySelector('a') : null;
      opener?.click();
      return opener != null;
    }
    case 'leave':
      if (row === null) return false;
      document.activeElement.blur();
      return true;
    default: {
      const trigger = document.querySelector(`main [data-keyed="${action}"]:not(:disabled)`);
      trigger?.click();
      return trigger !== null;
    }
  }
}

function move(row, by) {
  const rows = [...document.querySelectorAll('main [data-key]')];
  const at = row === null ? (by > 0 ? -1 : 0) : rows.indexOf(row);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return next !== undefined;
}

async function showHelp() {
  const rows = HELP.map(([key, text]) =>
    el('div', {}, el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)),
  );
  const content = [el('dl', { className: 'facts' }, ...rows)];
  await ask({ title: 'Keys', content, confirm: 'Close' });
}
