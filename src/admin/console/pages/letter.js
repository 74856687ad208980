/** One dead letter: why it failed, its bytes, and what can be done with it. */
import { get, post, serverNow } from '../api.js';
import { actorName, ask, reasonField } from '../dialog.js';
import { button, el, facts, link } from '../dom.js';
import { ago, clip, detailText, HIDDEN, hexDump, many, time } from '../format.js';
import { openEditor } from '../letter-editor.js';
import { outcome } from '../outcomes.js';
import { fieldsOf, fieldTable } from '../payload.js';
import { isLocalTime } from '../preferences.js';
import { KeyedTable } from '../table.js';

const BYTES_SHOWN = 4096;
const CHARS_SHOWN = 20_000;

export function open(page) {
  const place = page.rest;
  page.heading(`Dead letter ${place}`, link('/console/dead-letters', 'All dead letters'));
  const actions = el('div', { className: 'bar', role: 'toolbar', 'aria-label': 'Actions' });
  const editor = el('div');
  page.root.append(actions, editor);
  let shown = '';
  const audit = auditTable();
  const main = page.panel({
    title: 'What is wrong',
    load: (signal) => get(`/dead-letters/${place}`, signal),
    events: ['redrive'],
    show(letter, body) {
      audit.update([...letter.audit].reverse());
      const text = JSON.stringify(letter);
      if (text === shown) return;
      shown = text;
      actions.replaceChildren(...actionsOf(page, letter, { main, editor }));
      const parts = letter.state === 'gone' ? [gone()] : [factsOf(letter), ...contentOf(letter)];
      body.replaceChildren(...parts, el('h3', {}, 'Audit'), audit.node);
    },
  });
}

function gone() {
  return el(
    'p',
    {},
    outcome('gone'),
    ' It is no dead letter any more: a redrive has stored it, or another record took its place. Its audit is left.',
  );
}

function factsOf(letter) {
  const isLocal = isLocalTime();
  const { event_id: event, order_id: order, parked_at: parked } = letter;
  return facts([
    ['state', outcome(letter.state)],
    ['reason', [letter.sqlstate === null ? letter.reason : `${letter.reason} ${letter.sqlstate}`]],
    ['message', Array.isArray(letter.detail) ? null : clip(detailText(letter.detail), 2000)],
    ['order', order && link(`/console/orders/${order}`, order)],
    ['event', event && link(`/console/events/${event}`, event)],
    ['attempts', String(letter.attempts)],
    ['parked', `${time(parked, isLocal)}, ${ago(parked, serverNow())} ago`],
    ['appended to the log', time(letter.appended_at, isLocal)],
  ]);
}

function contentOf(letter) {
  const { value_text: text, value_base64: base64, headers_base64: headers } = letter;
  const errors = Array.isArray(letter.detail) ? letter.detail : [];
  const fields = fieldsOf(text, errors);
  const bytes = bytesOf(base64);
  return [
    el('h3', {}, 'Fields'),
    fields === null ? notJson(errors, headers === null) : fieldTable(fields),
    el(
      'details',
      {},
      el('summary', {}, `Text, ${many(text?.length ?? 0, 'character')}`),
      block(clip(text ?? '', CHARS_SHOWN)),
    ),
    el(
      'details',
      {},
      el('summary', {}, `Bytes, ${many(bytes.length, 'byte')}`),
      block(hexDump(bytes, BYTES_SHOWN)),
    ),
    el(
      'details',
      {},
      el('summary', {}, 'Key and headers'),
      facts([
        ['key', textOf(letter.key_base64)],
        ...(headers ?? []).map(([name, value]) => [textOf(name), textOf(value)]),
      ]),
    ),
  ];
}

/** A block that scrolls, and so takes the focus. */
function block(text) {
  return el('pre', { tabIndex: 0, dir: 'auto' }, text);
}

function notJson(errors, isHidden) {
  if (isHidden) return el('p', { className: 'soft' }, HIDDEN);
  const text = errors.length === 0 ? 'The value is no JSON object.' : detailText(errors);
  return el('p', { className: 'bad' }, text);
}

function bytesOf(base64) {
  return base64 === null
    ? new Uint8Array()
    : Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function textOf(base64) {
  return base64 === null ? null : clip(new TextDecoder().decode(bytesOf(base64)), 2000);
}

function auditTable() {
  return new KeyedTable({
    label: 'Audit',
    empty: 'Nobody has done anything with it.',
    keyOf: (entry) => `${entry.at} ${entry.action}`,
    columns: [
      { title: 'at', className: 'id', cell: ({ at }) => time(at, isLocalTime()) },
      { title: 'who', cell: ({ actor }) => actor },
      { title: 'what', cell: ({ action }) => action },
      { title: 'outcome', cell: (entry) => outcome(entry.outcome) },
      { title: 'message', className: 'wide', cell: ({ detail }) => clip(detailText(detail), 500) },
    ],
  });
}

function actionsOf(page, letter, { main, editor }) {
  const { app } = page;
  const url = `/dead-letters/${letter.place}`;
  if (letter.state === 'gone' || letter.state === 'discarded') return [];
  if (!app.may.change) return [el('span', { className: 'soft' }, app.may.whyNot ?? '')];
  const change = async (path, body) => {
    const actor = await actorName();
    if (actor === null) return;
    try {
      const { results } = await post(path, body, actor, page.signal);
      app.say(results.map(resultText).join(' · ') || 'There was nothing to do.');
    } catch (error) {
      app.say(error.message);
    }
    main.reload(true);
  };
  const discard = async () => {
    const content = [
      el(
        'p',
        {},
        'It will never take effect. This cannot be undone. The events that wait behind it are processed.',
      ),
    ];
    const title = `Discard ${letter.place}?`;
    const given = await ask({
      title,
      content,
      fields: [reasonField()],
      confirm: 'Discard',
      isDanger: true,
    });
    if (given !== null) await change(`${url}/discard`, { reason: given.reason });
  };
  return [
    button('Redrive', () => change(`${url}/redrive`, {}), {
      'data-keyed': 'redrive',
      className: 'primary',
    }),
    button('Edit', () => openEditor(page, letter, editor, main), { 'data-keyed': 'edit' }),
    button('Discard …', discard),
  ];
}

function resultText({ place, outcome: word, message }) {
  return `${place} ${word}${message === undefined ? '' : `: ${clip(message, 300)}`}`;
}
