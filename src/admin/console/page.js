/** The page that is shown: its panels, and what ends when it is left. */
import { el } from './dom.js';
import { Panel } from './panel.js';

export class Page {
  #leave = new AbortController();
  #panels = [];
  #listeners = [];
  root = el('div', { className: 'page' });

  /**
   * @param app { go, refresh, say, may }: what pages need of the whole console.
   * @param rest what follows the pattern in the path; query its filters.
   */
  constructor(app, { path, rest, query }) {
    this.app = app;
    this.path = path;
    this.rest = rest;
    this.query = query;
  }

  /** Aborts when the page is left. */
  get signal() {
    return this.#leave.signal;
  }

  heading(text, ...more) {
    this.root.append(
      el('div', { className: 'page-head' }, el('h1', { tabIndex: -1 }, text), ...more),
    );
  }

  /** Adds a panel; see Panel for the options. */
  panel(options) {
    const panel = new Panel(options, this.signal);
    this.#panels.push(panel);
    this.root.append(panel.node);
    return panel;
  }

  /** Calls back on live updates while the page is shown. */
  on(kind, listener) {
    this.#listeners.push([kind, listener]);
  }

  onEvent(kind, data) {
    for (const panel of this.#panels) panel.onEvent(kind);
    for (const [wanted, listener] of this.#listeners) if (wanted === kind) listener(data);
  }

  /** Loads everything again, for example after a change. */
  reload() {
    for (const panel of this.#panels) panel.reload(true);
  }

  leave() {
    this.#leave.abort();
  }
}
