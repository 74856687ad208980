/** The history of an event as a timeline; long gaps are drawn. */
import { get, serverNow } from '../api.js';
import { el, facts, link } from '../dom.js';
import { ago, clip, spanMs, time } from '../format.js';
import { outcome } from '../outcomes.js';
import { isLocalTime } from '../preferences.js';
import { gapsOf } from '../timeline.js';

const MARKS = {
  stored: 'good',
  published: 'good',
  parked: 'bad',
  discarded: 'bad',
  discard: 'bad',
  waiting: 'look',
  conflict: 'look',
};

export function open(page) {
  const id = page.rest;
  page.heading('Event', el('code', {}, clip(id, 200)));
  let shown = '';
  page.panel({
    title: 'History',
    note: 'requested: clock of the producer; appended: of the log; the others: of PostgreSQL',
    everyMs: 5000,
    events: ['outcome', 'redrive'],
    load: (signal) => get(`/events/${encodeURIComponent(id)}/history`, signal),
    show(history, body) {
      const text = JSON.stringify(history);
      if (text === shown) return;
      shown = text;
      body.replaceChildren(factsOf(history), timelineOf(history), ...moreOf(history));
    },
  });
}

function factsOf({ status, order_id: order, held_behind: holder }) {
  return facts([
    ['now', outcome(status)],
    ['order', order && link(`/console/orders/${order}`, order)],
    ['waits behind', holder && link(`/console/dead-letters/${holder}`, holder)],
  ]);
}

function timelineOf({ entries }) {
  const items = gapsOf(entries).map(({ entry, gapMs, isLong }) => [
    isLong ? el('li', { className: 'gap' }, `${spanMs(gapMs)} later`) : '',
    entryOf(entry, isLong ? null : gapMs),
  ]);
  return el('ol', { className: 'timeline' }, ...items);
}

function entryOf({ what, at, place, text, detail }, gapMs) {
  const when =
    at === null ? 'time unknown' : `${time(at, isLocalTime())}, ${ago(at, serverNow())} ago`;
  const gap = gapMs === null || gapMs <= 0 ? '' : `, +${spanMs(gapMs)}`;
  const known = Object.entries(detail ?? {}).filter(([, value]) => value !== null);
  return el(
    'li',
    { className: MARKS[what] ?? 'idle' },
    el('div', { className: 'soft' }, `${when}${gap}`),
    el('div', {}, el('b', {}, what), ' ', el('bdi', {}, clip(text, 500)), placeOf(what, place)),
    known.length === 0
      ? ''
      : el(
          'div',
          { className: 'soft' },
          known.map(([name, value]) => `${name} ${clip(String(value), 200)}`).join(' · '),
        ),
  );
}

function placeOf(what, place) {
  if (place === null) return '';
  const isLetter = ['parked', 'waiting', 'discarded', 'redrive', 'edit', 'discard'].includes(what);
  return [' at ', isLetter ? link(`/console/dead-letters/${place}`, place) : el('code', {}, place)];
}

function moreOf({ is_complete: isComplete, event_id: id }) {
  const lists = [
    link(`/console/duplicates?event_id=${id}`, 'Its duplicates'),
    ' ',
    link(`/console/conflicts?event_id=${id}`, 'Its conflicts'),
  ];
  const note = isComplete
    ? ''
    : el('p', {}, 'Only the first 200 duplicates, conflicts and messages are shown.');
  return [note, el('p', {}, ...lists)];
}
