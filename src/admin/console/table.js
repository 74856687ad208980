/** Tables whose rows have keys: an update touches only what has changed. */
import { el } from './dom.js';

/**
 * What must be done to turn one list of keys into another. Pure.
 * @returns the keys that go, and those that are new or whose row differs.
 */
export function changesOf(before, after) {
  const gone = [...before.keys()].filter((key) => !after.has(key));
  const fresh = [...after.keys()].filter((key) => before.get(key) !== after.get(key));
  return { gone, fresh };
}

/**
 * A table.
 * @param columns { title, cell: a row's content, className }.
 * @param keyOf the key of a row; rowProps further properties of its element.
 */
export class KeyedTable {
  #columns;
  #keyOf;
  #empty;
  #rowProps;
  #body = el('tbody', { role: 'rowgroup' });
  #table;
  #texts = new Map();
  #rows = new Map();
  node;

  constructor({ label, columns, keyOf, empty, rowProps = () => ({}) }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.#empty = el('p', { className: 'empty' }, empty);
    this.node = el('div', {
      className: 'scroll',
      role: 'region',
      'aria-label': label,
      tabIndex: 0,
    });
    this.#rowProps = rowProps;
    const head = columns.map(({ title, className = '' }) =>
      el('th', { className, scope: 'col', role: 'columnheader' }, title),
    );
    // The roles are lost otherwise where CSS shows rows as cards.
    this.#table = el(
      'table',
      { role: 'table', 'aria-label': label },
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...head)),
      this.#body,
    );
  }

  get keys() {
    return [...this.#texts.keys()];
  }

  /** Shows these rows. A row that is the same as before keeps its elements. */
  update(rows) {
    const texts = new Map(rows.map((row) => [this.#keyOf(row), JSON.stringify(row)]));
    const { gone, fresh } = changesOf(this.#texts, texts);
    for (const key of gone) {
      this.#rows.get(key)?.remove();
      this.#rows.delete(key);
    }
    const changed = new Set(fresh);
    let at = this.#body.firstElementChild;
    for (const row of rows) {
      const key = this.#keyOf(row);
      const known = this.#rows.get(key);
      const element = known ?? el('tr', { role: 'row', tabIndex: -1, 'data-key': key });
      if (changed.has(key)) element.replaceChildren(...this.#cells(row));
      if (known === undefined) this.#rows.set(key, Object.assign(element, this.#rowProps(row)));
      if (element === at) at = at.nextElementSibling;
      else this.#body.insertBefore(element, at);
    }
    this.#texts = texts;
    const shown = rows.length === 0 ? this.#empty : this.#table;
    // To attach it anew would lose focus and scrolling.
    if (this.node.firstChild !== shown) this.node.replaceChildren(shown);
  }

  #cells(row) {
    return this.#columns.map(({ title, cell, className = '' }) => {
      const label = typeof title === 'string' ? title : title.textContent;
      const content = cell(row);
      return el('td', { className, role: 'cell', 'data-label': label }, content ?? '');
    });
  }
}
