/** The newest dead letters, conflicts and duplicates of the whole deployment, for the stream. */

import { placeText } from '../store/log-place.ts';
import { type OutcomeRow, readNowMs, readOutcomesSince } from '../store/new-outcomes.ts';
import type { Queryable } from '../store/queryable.ts';
import { LINKS } from './console-links.ts';

/** The most outcomes of one read, and so of one second. */
const ITEMS_MAX = 20;
/** What was committed later than rows with a later time is found if it is not older than this. */
const OVERLAP_MS = 10_000;
/** How far back a client may resume. */
const RESUME_MS = 5 * 60_000;
/** What was committed shortly before the last id may not have been sent. */
const RESUME_OVERLAP_MS = 2000;
const RESUMED_MAX = 200;

export type NewOutcomes = {
  /** The time of the read. */
  readonly nowMs: number;
  readonly items: readonly { readonly ms: number; readonly line: object }[];
  /** How many more were read. There may be others: of each kind, only the newest are read. */
  readonly skipped: number;
};

/**
 * Tells new rows from those that it has given already. All times are those of PostgreSQL's clock, in
 * ms since 1970, since the clock of this machine may be another.
 */
export class OutcomeFeed {
  readonly #db: Queryable;
  /** Null before the first read: what is there then is not new. */
  #sinceMs: number | null = null;
  /** The rows that were given, by their time: those of the overlap. */
  #given = new Map<string, number>();

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** What is there at the next call of next() is not new. */
  begin(): void {
    this.#sinceMs = null;
    this.#given = new Map();
  }

  /** Rows that have appeared since the last call, the oldest first. @throws if PostgreSQL is away. */
  async next(): Promise<NewOutcomes> {
    const nowMs = await readNowMs(this.#db);
    const from = (this.#sinceMs ?? nowMs) - OVERLAP_MS;
    const rows = await readOutcomesSince(this.#db, Math.max(from, 0), ITEMS_MAX * 5);
    const isFirst = this.#sinceMs === null;
    const fresh = isFirst ? [] : rows.filter((row) => !this.#given.has(keyOf(row)));
    for (const row of rows) this.#given.set(keyOf(row), row.ms);
    for (const [key, ms] of this.#given) if (ms < from) this.#given.delete(key);
    this.#sinceMs = nowMs;
    const items = fresh.slice(-ITEMS_MAX).map(itemOf);
    return { nowMs, items, skipped: fresh.length - items.length };
  }

  /** Rows since the time of an id, at most of the last 5 minutes. */
  async since(ms: number): Promise<NewOutcomes> {
    const nowMs = await readNowMs(this.#db);
    const from = Math.max(ms - RESUME_OVERLAP_MS, nowMs - RESUME_MS);
    const rows = await readOutcomesSince(this.#db, from, RESUMED_MAX);
    const items = rows.slice(-RESUMED_MAX).map(itemOf);
    return { nowMs, items, skipped: rows.length - items.length };
  }
}

function keyOf(row: OutcomeRow): string {
  return `${row.kind} ${placeText(row)}`;
}

function itemOf(row: OutcomeRow) {
  const { kind, ms, at, eventId, about } = row;
  const query = { event_id: eventId ?? '' };
  const links = {
    dead_letter: LINKS.deadLetter(row),
    conflict: LINKS.conflicts(query),
    duplicate: LINKS.duplicates(query),
  };
  const line = { outcome: kind, place: placeText(row), event_id: eventId, at, about };
  return { ms, line: { ...line, link: links[kind] } };
}
