/** Which rows of a list are ticked. */
import { el, hidden } from './dom.js';

/** The keys from one to another in a list, both included. Pure. */
export function rangeOf(keys, from, to) {
  const [a, b] = [keys.indexOf(from), keys.indexOf(to)];
  if (a < 0 || b < 0) return [to];
  return keys.slice(Math.min(a, b), Math.max(a, b) + 1);
}

export class Ticks {
  #ticked = new Set();
  #last = null;
  #table = null;
  #onChange;
  all = el('input', { type: 'checkbox', 'aria-label': 'Tick all on this page' });

  /** @param onChange called with the ticked keys. */
  constructor(onChange) {
    this.#onChange = onChange;
    this.all.addEventListener('click', () => this.#set(this.#table.keys, this.all.checked));
  }

  /** The first column of a table. */
  column(nameOf) {
    const title = el('span', {}, hidden('tick'), this.all);
    const cell = (row) => {
      const name = nameOf(row);
      const isTicked = this.#ticked.has(name);
      const box = el('input', {
        type: 'checkbox',
        checked: isTicked,
        'aria-label': `Tick ${name}`,
      });
      box.addEventListener('click', (event) => this.#click(box, name, event.shiftKey));
      return box;
    };
    return { title, cell, className: 'tick' };
  }

  /** The table whose rows these are. */
  attach(table) {
    this.#table = table;
  }

  get keys() {
    return [...this.#ticked];
  }

  clear() {
    this.#set([...this.#ticked], false);
  }

  /** Rows that are gone are not ticked any more. */
  keep(keys) {
    const there = new Set(keys);
    for (const key of this.#ticked) if (!there.has(key)) this.#ticked.delete(key);
    this.#tell();
  }

  #click(box, name, isRange) {
    const keys =
      isRange && this.#last !== null ? rangeOf(this.#table.keys, this.#last, name) : [name];
    this.#last = name;
    this.#set(keys, box.checked);
  }

  #set(keys, isTicked) {
    for (const key of keys) {
      if (isTicked) this.#ticked.add(key);
      else this.#ticked.delete(key);
    }
    for (const row of this.#table.node.querySelectorAll('[data-key]')) {
      const box = row.querySelector('.tick input');
      if (box !== null) box.checked = this.#ticked.has(row.dataset.key);
    }
    this.#tell();
  }

  #tell() {
    const { size } = this.#ticked;
    this.all.checked = size > 0 && size === this.#table.keys.length;
    this.all.indeterminate = size > 0 && !this.all.checked;
    this.#onChange(this.keys);
  }
}
