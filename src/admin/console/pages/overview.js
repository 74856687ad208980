/** What needs somebody, and how records come and end. */
import { get, serverNow } from '../api.js';
import { sparkline, stackedBars } from '../chart.js';
import { el, link, state } from '../dom.js';
import { ago, many, number, span } from '../format.js';
import { History } from '../history.js';
import { outcomeClass } from '../outcomes.js';
import { partitionTable } from '../partition-table.js';
import { isLocalTime } from '../preferences.js';
import { command } from '../snippet.js';
import { KeyedTable } from '../table.js';

const history = new History();

export function open(page) {
  page.heading('Overview');
  const needs = new KeyedTable({
    label: 'What needs you',
    empty: 'Nothing needs you.',
    keyOf: (need) => `${need.kind} ${need.title.replaceAll(/\d+/g, '#')} ${need.link}`,
    columns: [
      { title: 'severity', cell: (need) => severityOf(need) },
      { title: 'cause and next step', className: 'wide', cell: needCell },
      { title: 'for', className: 'number', cell: ({ since }) => ago(since, serverNow()) },
    ],
  });
  const numbers = el('div', { className: 'numbers' });
  const partitions = partitionTable('Partitions', history);
  const asOf = ({ as_of: at }) => Date.parse(at);
  const load = (signal) => get('/overview', signal);
  const common = { load, asOf, everyMs: 5000, events: ['overview'] };
  page.panel({
    ...common,
    title: 'What needs you',
    className: 'needs',
    news: (overview) => overview.needs.length,
    show(overview, body) {
      history.note(overview);
      needs.update(overview.needs);
      numbers.replaceChildren(...numbersOf(overview));
      if (body.firstChild === null) body.append(needs.node, numbers);
    },
  });
  page.panel({
    title: 'Last hour',
    note: 'records by outcome; consumers add their counts every 10 s',
    everyMs: 8000,
    load: (signal) => get('/activity?minutes=60', signal),
    show(activity, body) {
      const isLocal = isLocalTime();
      const classOf = outcomeClass;
      const chart = stackedBars(activity, { label: 'Records by outcome', classOf, isLocal });
      body.replaceChildren(activity.series.length === 0 ? nothing() : chart);
    },
  });
  page.panel({
    ...common,
    title: 'Partitions',
    show(overview, body) {
      partitions.update(overview.partitions);
      if (body.firstChild === null) body.append(partitions.node);
    },
  });
}

function nothing() {
  return el('p', { className: 'empty' }, 'No record was processed in this hour.');
}

function severityOf({ severity }) {
  return severity === 'act' ? state('bad', 'act') : state('look', 'look');
}

function needCell({ title, detail, next, command: text, link: href }) {
  return [
    link(href, title, { className: 'strong' }),
    detail === null ? '' : el('div', { className: 'soft clip' }, detail),
    el('div', {}, next),
    text === null ? '' : command(text),
  ];
}

function numbersOf(overview) {
  const { rates, lag, dead_letters: letters, held_orders: held, processes } = overview;
  const parked = letters.filter((one) => one.state === 'parked');
  const sum = parked.reduce((total, { count }) => total + count, 0);
  const isCapped = parked.some((one) => one.is_capped);
  const old = ({ since }) => `findings since ${ago(since, serverNow())}`;
  return [
    figure('arrived a second', number(rates.arrived_per_second), history.values('arrived')),
    figure('processed a second', number(rates.processed_per_second), history.values('processed')),
    figure('to process', number(lag.records), history.values('lag')),
    figure('not moved for', lag.still_seconds === null ? '–' : span(lag.still_seconds), null),
    figure(
      'dead letters parked',
      `${number(sum)}${isCapped ? '+' : ''}`,
      null,
      '/console/dead-letters?state=parked',
    ),
    figure('orders held', held.text, null, '/console/dead-letters?state=waiting'),
    figure(
      'conflicts, last hour',
      number(overview.conflicts_last_hour),
      null,
      '/console/conflicts',
    ),
    figure(
      'duplicates, last hour',
      number(overview.duplicates_last_hour),
      null,
      '/console/duplicates',
    ),
    figure('messages to publish', number(overview.outbox.pending), null),
    figure('proof', proofText(overview.proof, old), null, '/console/proof'),
    figure(
      'consumers',
      `${processes.running}${processes.missing > 0 ? `, ${many(processes.missing, 'other')} missing` : ''}`,
      null,
      '/console/partitions',
    ),
  ];
}

function proofText(proof, old) {
  if (proof === null) return 'off';
  if (proof.head_age_seconds === null && proof.findings === 0) return 'not yet';
  return proof.findings === 0 ? 'no findings' : `${number(proof.findings)} ${old(proof)}`;
}

function figure(label, value, values, href) {
  const text = el('b', {}, value);
  const shown =
    href === undefined
      ? text
      : link(href, value, { className: 'strong', 'aria-label': `${label}: ${value}` });
  const line = values === null || values.length < 2 ? '' : sparkline(values);
  return el('div', { className: 'figure' }, el('span', { className: 'soft' }, label), shown, line);
}
