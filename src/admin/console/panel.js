/**
 * A part of a page that loads itself again and again, says how old its values are, and dims once
 * they are too old. Rows that somebody works on are not replaced: the update waits.
 */
import { serverNow } from './api.js';
import { button, el } from './dom.js';
import { span } from './format.js';
import { holdFacts, whyHeld } from './hold.js';

const STALE_MS = 10_000;
const SOON_MS = 1000;
const TICK_MS = 500;

export class Panel {
  #options;
  #signal;
  #head = el('div', { className: 'panel-head' });
  #age = el('span', { className: 'age' });
  #news = el('span', { className: 'news' });
  #trouble = el('p', { className: 'bad trouble', hidden: true });
  #asOfMs = null;
  #why = null;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #isLoading = false;
  #isAsked = true;
  #pending = null;
  #isShown = false;
  body = el('div', { className: 'panel-body' });
  node;

  /**
   * @param options title, note; load(signal) gives the data and show(data) shows it; everyMs: how
   *   often; events: kinds of updates after which it loads again; news(data): how many rows are new;
   *   asOf(data): the time of the values; isHeld: false if an update takes nothing away.
   * @param signal aborts when the page is left.
   */
  constructor(options, signal) {
    this.#options = { everyMs: 4000, events: [], isHeld: true, ...options };
    this.#signal = signal;
    const { title, note, className = '' } = this.#options;
    const heading = el('h2', {}, title);
    this.#head.append(heading, note ? el('small', {}, note) : '', this.#news, this.#age);
    const parts = [this.#head, this.#trouble, this.body];
    this.node = el('section', { className: `panel ${className}`, 'aria-busy': 'true' }, ...parts);
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    void this.#load();
  }

  /** An update of this kind came. */
  onEvent(kind) {
    if (kind === 'open' || this.#options.events.includes(kind)) this.reload();
  }

  /** Loads again soon. @param isNow also shows it if somebody works on the rows. */
  reload(isNow = false) {
    this.#isAsked = true;
    if (!isNow) return;
    this.#loadedAt = Number.NEGATIVE_INFINITY;
    this.#isShown = false;
    void this.#load();
  }

  #tick() {
    if (document.hidden) return;
    const age = performance.now() - this.#loadedAt;
    const isDue = age > this.#options.everyMs || (this.#isAsked && age > SOON_MS);
    if (isDue) void this.#load();
    if (this.#pending !== null && this.#whyHeld() === null) this.#apply(this.#pending);
    this.#showAge();
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#isAsked = false;
    try {
      const data = await this.#options.load(this.#signal);
      this.#why = null;
      this.#asOfMs = this.#options.asOf?.(data) ?? serverNow();
      this.#offer(data);
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#why = error.message;
      if (!(error.status >= 0)) console.error(error);
    } finally {
      this.#isLoading = false;
      this.#loadedAt = performance.now();
      this.node.removeAttribute('aria-busy');
    }
    this.#showAge();
  }

  /** Shows new values, or keeps them until nobody works on the old ones. */
  #offer(data) {
    const why = this.#whyHeld();
    if (why === null) return this.#apply(data);
    this.#pending = data;
    const count = this.#options.news?.(data) ?? 0;
    const text = count === 0 ? `Paused: ${why}` : `${count} new`;
    const isSame = this.#news.textContent === text;
    if (!isSame) this.#news.replaceChildren(button(text, () => this.#apply(data), { title: why }));
    else this.#news.firstChild.onclick = () => this.#apply(data);
  }

  #whyHeld() {
    if (!this.#isShown || !this.#options.isHeld) return null;
    return whyHeld(holdFacts(this.body));
  }

  #apply(data) {
    this.#pending = null;
    this.#isShown = true;
    this.#news.replaceChildren();
    this.#options.show(data, this.body);
  }

  #showAge() {
    const ageMs = this.#asOfMs === null ? null : serverNow() - this.#asOfMs;
    const isStale = ageMs !== null && ageMs > STALE_MS;
    this.node.classList.toggle('stale', isStale);
    this.#age.textContent = ageMs === null ? '' : `${span(Math.max(0, ageMs) / 1000)} old`;
    this.#age.hidden = !isStale;
    this.#trouble.hidden = this.#why === null;
    const text = this.#why ?? '';
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
  }
}
