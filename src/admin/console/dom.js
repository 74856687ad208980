/** Elements. Strings become text nodes, so text of an event can never become markup. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Makes an element.
 * @param props properties; names with a hyphen, such as aria-label, are set as attributes.
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Makes an element of SVG; all its props are attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.includes('-') || name === 'role') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that does something on this page. */
export function button(text, onclick, props = {}) {
  return el('button', { type: 'button', onclick, ...props }, text);
}

/** A link to another page of the console, or elsewhere. */
export function link(href, text, props = {}) {
  return el('a', { href, ...props }, text);
}

/** Text for screen readers only. */
export function hidden(text) {
  return el('span', { className: 'hidden' }, text);
}

/** A list of terms; entries without a value are left out. @param facts [term, content]. */
export function facts(entries) {
  const known = entries.filter(
    ([, value]) => value !== null && value !== undefined && value !== '',
  );
  const pairs = known.map(([term, value]) =>
    el('div', {}, el('dt', {}, term), el('dd', {}, value)),
  );
  return el('dl', { className: 'facts' }, ...pairs);
}

const SIGNS = { good: '✔', look: '!', bad: '✖', idle: '·' };

/** A state as sign and word; colour only repeats it. @param mood good, look, bad or idle. */
export function state(mood, text) {
  const sign = el('span', { 'aria-hidden': 'true' }, SIGNS[mood]);
  return el('span', { className: `state ${mood}` }, sign, ` ${text}`);
}
