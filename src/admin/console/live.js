/**
 * The stream of updates, read by fetch because an EventSource can send no API key. While the tab is
 * hidden there is no stream: a browser has only six connections to a service.
 */
import { headersWithKey, onKeyNeeded } from './api.js';
import { readEvents } from './sse-parser.js';

const RETRY_MS = 2000;
/** The service sends a comment every 15 seconds. */
const SILENCE_MS = 25_000;

export class Live {
  #listeners = new Set();
  #lastId = null;
  #stop = null;
  #timer = undefined;
  /** When the stream was lost; null while it is there. */
  lostAt = Date.now();

  /** @param listener called with (kind, data); kind `open` says that the stream is there again. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start() {
    document.addEventListener('visibilitychange', () => this.restart());
    this.restart();
  }

  /** Connects anew, for example with another key. */
  restart() {
    clearTimeout(this.#timer);
    this.#stop?.abort();
    if (document.hidden) return;
    this.#stop = new AbortController();
    void this.#run(this.#stop);
  }

  async #run(stop) {
    try {
      await this.#read(stop);
    } catch {
      // The header of the page says for how long there is no stream.
    }
    // A later start has its own turn.
    if (this.#stop !== stop) return;
    this.lostAt ??= Date.now();
    this.#tell('lost', null);
    this.#timer = setTimeout(() => this.restart(), RETRY_MS);
  }

  async #read(stop) {
    let silence = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const resume = this.#lastId === null ? {} : { 'Last-Event-ID': this.#lastId };
      const answer = await fetch('/stream', {
        headers: headersWithKey(resume),
        signal: stop.signal,
      });
      if (answer.status === 401) onKeyNeeded.call();
      if (!answer.ok) return;
      this.lostAt = null;
      this.#tell('open', null);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => stop.abort(), SILENCE_MS);
        const read = readEvents(rest, value);
        rest = read.rest;
        for (const { kind, id, data } of read.events) {
          this.#lastId = id ?? this.#lastId;
          this.#tell(kind, data);
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #tell(kind, data) {
    for (const listener of this.#listeners) listener(kind, data);
  }
}
