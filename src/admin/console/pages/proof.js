/** The continuous proof: how fresh it is, and what it has found. */
import { get, post, serverNow } from '../api.js';
import { actorName, ask, reasonField } from '../dialog.js';
import { button, el, facts, state } from '../dom.js';
import { ago, clip, number, span, time } from '../format.js';
import { isLocalTime } from '../preferences.js';
import { KeyedTable } from '../table.js';

const HEAD_OLD_SECONDS = 900;
const FULL_OLD_SECONDS = 14 * 86_400;

export function open(page) {
  page.heading('Proof');
  const about = el('div');
  let shown = '';
  const table = findingTable(page, () => panel);
  const panel = page.panel({
    title: 'Continuous proof',
    note: 'every processed offset has one outcome, and effects are what the events add up to',
    everyMs: 5000,
    load: (signal) => get('/proof', signal),
    show(proof, body) {
      table.update(proof.items);
      const { items: _, ...facts } = proof;
      const text = JSON.stringify(facts);
      if (text !== shown) about.replaceChildren(...summaryOf(proof));
      shown = text;
      if (body.firstChild === null) body.append(about, el('h3', {}, 'Findings'), table.node);
    },
  });
}

function summaryOf(proof) {
  const { head_age_seconds: head, full_age_seconds: full } = proof;
  const kinds = Object.entries(proof.findings);
  const sum = kinds.reduce((total, [, count]) => total + count, 0);
  const verdict =
    sum > 0
      ? state(
          'bad',
          `${number(sum)} open: ${kinds.map(([kind, count]) => `${kind} ${count}`).join(', ')}. Stop changes, and look at them.`,
        )
      : state('good', 'no open findings');
  return [
    facts([
      ['findings', verdict],
      ['newest events proven', ageState(head, HEAD_OLD_SECONDS, 'never')],
      ['whole tables proven', ageState(full, FULL_OLD_SECONDS, 'no round has ended yet')],
      ['not proven yet', `${number(proof.behind_records)} offsets`],
      ['trouble', proof.trouble && el('span', { className: 'bad' }, proof.trouble)],
      ['under way', proof.patrol],
      ['round began', time(proof.round_started_at, isLocalTime())],
      ['proven by', proof.owner],
    ]),
  ];
}

function ageState(seconds, limit, never) {
  if (seconds === null) return state('look', never);
  return state(seconds > limit ? 'look' : 'good', `${span(seconds)} ago`);
}

function findingTable(page, panelOf) {
  const may = page.app.may.change;
  return new KeyedTable({
    label: 'Findings',
    empty: 'Nothing contradicts the proof.',
    keyOf: ({ id }) => String(id),
    columns: [
      {
        title: 'kind',
        cell: (one) =>
          one.acknowledged_at === null ? state('bad', one.kind) : state('idle', one.kind),
      },
      { title: 'about', className: 'id', cell: ({ subject }) => clip(subject, 120) },
      { title: 'message', className: 'wide', cell: ({ message }) => clip(message, 500) },
      { title: 'found', cell: (one) => `${ago(one.found_at, serverNow())} ago` },
      { title: 'seen', cell: (one) => `${ago(one.seen_at, serverNow())} ago` },
      { title: 'acknowledged', cell: (one) => acknowledged(one, may, page, panelOf) },
    ],
  });
}

function acknowledged(finding, may, page, panelOf) {
  if (finding.acknowledged_at !== null)
    return `${finding.acknowledged_by}: ${clip(finding.reason ?? '', 200)}`;
  return may ? button('Acknowledge …', () => void acknowledge(finding, page, panelOf())) : 'no';
}

async function acknowledge({ id, kind, subject }, page, panel) {
  const actor = await actorName();
  if (actor === null) return;
  const content = [
    el('p', {}, `${kind}, ${subject}`),
    el(
      'p',
      {},
      'It no longer counts. If it vanishes and comes back, or something else is wrong there, it counts again.',
    ),
  ];
  const given = await ask({
    title: 'Acknowledge this finding?',
    content,
    fields: [reasonField('Why it may stay')],
    confirm: 'Acknowledge',
  });
  if (given === null) return;
  try {
    await post(`/proof/findings/${id}/acknowledge`, { reason: given.reason }, actor, page.signal);
    page.app.say(`Finding ${id} is acknowledged.`);
  } catch (error) {
    page.app.say(error.message);
  }
  panel.reload(true);
}
