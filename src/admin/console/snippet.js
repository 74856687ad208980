/** Texts to copy. */
import { button, el } from './dom.js';

/** A command with a button that copies it. */
export function command(text) {
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      copy.textContent = 'Select it and press Ctrl-C';
    }
  });
  copy.setAttribute('aria-label', `Copy ${text}`);
  return el('div', { className: 'command' }, el('code', {}, text), copy);
}
