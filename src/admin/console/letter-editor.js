/** The editor of a dead letter: it is checked while somebody types, and shows the changes before it sends. */
import { post } from './api.js';
import { actorName, ask } from './dialog.js';
import { button, el } from './dom.js';
import { clip, valueText } from './format.js';
import { outcome } from './outcomes.js';

const PAUSE_MS = 350;

/** Opens the editor in an element; panel is loaded again after a change. */
export async function openEditor(page, letter, root, panel) {
  const actor = await actorName();
  if (actor === null) return;
  const url = `/dead-letters/${letter.place}`;
  const text = el('textarea', {
    value: pretty(letter.value_text ?? ''),
    rows: 14,
    spellcheck: false,
    'aria-label': 'Event as JSON',
    'aria-describedby': 'editor-verdict',
  });
  const verdict = el('div', { id: 'editor-verdict', role: 'status' });
  const send = button('Show the changes …', () => void review(), {
    className: 'primary',
    disabled: true,
  });
  const close = () => root.replaceChildren();
  const form = el(
    'section',
    { className: 'panel editor' },
    el('h2', {}, 'Edit'),
    text,
    verdict,
    el('div', { className: 'buttons' }, button('Close the editor', close), send),
  );
  root.replaceChildren(form);
  text.focus();
  text.setSelectionRange(0, 0);

  let timer;
  let last = 0;
  text.addEventListener('input', () => {
    send.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
  });
  await check();

  async function check() {
    const turn = ++last;
    try {
      const answer = await post(`${url}/check`, text.value, actor, page.signal);
      // A later text has its own answer.
      if (turn !== last) return;
      verdict.replaceChildren(...verdictOf(answer, text));
      text.setAttribute('aria-invalid', String(!answer.ok));
      send.disabled = !answer.ok;
    } catch (error) {
      if (turn === last && !page.signal.aborted)
        verdict.replaceChildren(el('p', { className: 'bad' }, error.message));
    }
  }

  async function review() {
    try {
      const payload = text.value;
      const answer = await post(`${url}/check?try=true`, payload, actor, page.signal);
      if (!answer.ok) return verdict.replaceChildren(...verdictOf(answer, text));
      const content = [changeTable(answer.changes), triedText(answer.tried)];
      const given = await ask({
        title: `Redrive ${letter.place} with these changes?`,
        content,
        confirm: 'Redrive with this payload',
      });
      if (given === null) return;
      const { results } = await post(`${url}/edit`, payload, actor, page.signal);
      page.app.say(
        results
          .map(({ place, outcome: word, message = '' }) => `${place} ${word} ${clip(message, 300)}`)
          .join(' · '),
      );
      close();
    } catch (error) {
      page.app.say(error.message);
    }
    panel.reload(true);
  }
}

/** The text with a line for each field, if that keeps every digit of its numbers. */
function pretty(text) {
  try {
    const digits = (value) => value.replaceAll(/\s/g, '');
    const shown = JSON.stringify(JSON.parse(text), null, 2);
    return digits(shown) === digits(text) ? shown : text;
  } catch {
    return text;
  }
}

function verdictOf({ ok, errors, changes }, text) {
  if (!ok) {
    const items = errors.map((error) => el('li', {}, errorLine(error, text)));
    return [el('ul', { className: 'bad errors' }, ...items)];
  }
  const count =
    changes.length === 0
      ? 'Valid. It differs in nothing from the record.'
      : `Valid. ${changes.length} field${changes.length === 1 ? '' : 's'} changed: ${changes.map(({ field }) => field).join(', ')}`;
  return [el('p', { className: 'good' }, `✔ ${clip(count, 400)}`)];
}

/** An error with the way to its field in the text. */
function errorLine({ loc, msg }, text) {
  const field = loc.filter((part) => part !== 'body').join('.');
  if (field === '') return `✖ ${msg}`;
  const key = JSON.stringify(String(loc.at(-1)));
  const jump = button(field, () => {
    const at = text.value.indexOf(key);
    text.focus();
    if (at >= 0) text.setSelectionRange(at, at + key.length);
  });
  return el('span', {}, '✖ ', jump, ` ${msg}`);
}

/** What is different, before and after. */
export function changeTable(changes) {
  if (changes.length === 0) return el('p', {}, 'Nothing differs from the record.');
  const rows = changes.map(({ field, before, after }) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, field),
      el('td', {}, el('del', {}, clip(valueText(before), 200))),
      el('td', {}, el('ins', {}, clip(valueText(after), 200))),
    ),
  );
  const head = el(
    'tr',
    {},
    ...['field', 'before', 'after'].map((name) => el('th', { scope: 'col' }, name)),
  );
  return el('table', { className: 'changes' }, el('thead', {}, head), el('tbody', {}, ...rows));
}

function triedText(tried) {
  if (tried === null) return '';
  const message = tried.message === undefined ? '' : `: ${clip(tried.message, 300)}`;
  return el('p', {}, 'Tried and rolled back: ', outcome(tried.outcome), message);
}
