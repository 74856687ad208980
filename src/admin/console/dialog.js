/** Questions in a real <dialog>: the browser keeps the focus inside, and Esc cancels. */
import { button, el } from './dom.js';
import { keepOperatorName, NAME_PATTERN, operatorName } from './preferences.js';

let count = 0;

/**
 * Asks something.
 * @param fields { name, label, hint, value, check: why a value is refused, or null }.
 * @returns the values; null if it was cancelled.
 */
export function ask({ title, content = [], fields = [], confirm, isDanger = false }) {
  return new Promise((done) => {
    const id = `dialog-${++count}`;
    const error = el('p', { className: 'bad', role: 'alert' });
    const inputs = fields.map((field) => [field, inputOf(field, id)]);
    const labels = inputs.map(([{ label, hint = '' }, input]) =>
      el('label', {}, el('span', {}, label), input, hint ? el('small', {}, hint) : ''),
    );
    const ok = el(
      'button',
      { type: 'submit', className: isDanger ? 'danger' : 'primary' },
      confirm,
    );
    const cancel = button('Cancel', () => close(null));
    const buttons = el('div', { className: 'buttons' }, cancel, ok);
    const form = el('form', {}, el('h2', { id }, title), ...content, ...labels, error, buttons);
    const dialog = el('dialog', { 'aria-labelledby': id }, form);
    const close = (values) => {
      dialog.close();
      dialog.remove();
      done(values);
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const values = inputs.map(([{ name }, input]) => [name, input.value.trim()]);
      const wrong = inputs.map(([{ check }, input]) => check?.(input.value.trim()) ?? null);
      const at = wrong.findIndex((why) => why !== null);
      if (at < 0) return close(Object.fromEntries(values));
      error.textContent = wrong[at];
      inputs[at][1].focus();
    });
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      close(null);
    });
    document.body.append(dialog);
    dialog.showModal();
    (inputs[0]?.[1] ?? ok).focus();
  });
}

function inputOf({ name, value = '', type = 'text', isLong = false }, id) {
  const props = { name, value, id: `${id}-${name}`, autocomplete: 'off' };
  return isLong ? el('textarea', { ...props, rows: 3 }) : el('input', { ...props, type });
}

/** A field for the reason, which goes into the audit. */
export function reasonField(label = 'Reason, for the audit') {
  const check = (text) =>
    text === '' ? 'Give a reason.' : text.length > 1000 ? 'Up to 1,000 characters.' : null;
  return { name: 'reason', label, isLong: true, check };
}

/** A field into which somebody types how many it is about. */
export function countField(expected) {
  const check = (text) =>
    text.replaceAll(/[,\s]/g, '') === String(expected) ? null : `Type ${expected} to confirm.`;
  return { name: 'count', label: `Type the count, ${expected}, to confirm`, check };
}

/** The name of who makes a change; asked for once. @returns null if it was cancelled. */
export async function actorName() {
  const known = operatorName();
  if (known !== null) return known;
  const check = (text) =>
    NAME_PATTERN.test(text)
      ? null
      : 'Up to 100 letters, digits, spaces and _ . , @ + - or apostrophes';
  const hint = 'It goes into the audit of each change. This browser remembers it.';
  const fields = [{ name: 'name', label: 'Your name', hint, check }];
  const given = await ask({ title: 'Who are you?', fields, confirm: 'Continue' });
  if (given === null) return null;
  keepOperatorName(given.name);
  return given.name;
}
