/** Tells whether consumers work off a backlog, so that the proof leaves PostgreSQL to them. */
import type { LogReader } from '../log/event-log.ts';
import { readPositions } from '../store/positions.ts';
import type { Queryable } from '../store/queryable.ts';

/** The ends of the partitions at a moment, in milliseconds. */
export type EndsAt = { readonly at: number; readonly ends: ReadonlyMap<number, number> };

const SAMPLES_MAX = 100;
const SAMPLE_MS = 1000;

/**
 * How old the oldest record is that waits, in milliseconds, as far as the samples tell: since the last
 * sample in which the log ended at or before the position. Pure.
 * @param samples the oldest first, the last one of now.
 */
export function lagMs(samples: readonly EndsAt[], positions: ReadonlyMap<number, number>): number {
  const now = samples.at(-1);
  if (now === undefined) return 0;
  const lags = [...positions].map(([partition, next]) => {
    const isReached = ({ ends }: EndsAt) => (ends.get(partition) ?? 0) <= next;
    const reached = samples.findLast(isReached)?.at ?? samples[0]?.at ?? now.at;
    return now.at - reached;
  });
  return Math.max(0, ...lags);
}

export class LagWatch {
  readonly #reader: LogReader;
  readonly #db: Queryable;
  readonly #lagMaxMs: number;
  #samples: EndsAt[] = [];
  #was = false;
  #before: ReadonlyMap<number, number> = new Map();

  constructor(reader: LogReader, db: Queryable, lagMaxMs: number) {
    this.#reader = reader;
    this.#db = db;
    this.#lagMaxMs = lagMaxMs;
  }

  /**
   * Whether records wait for longer than the limit, and are being processed. While nothing moves,
   * the proof does not get in anybody's way. False if the log does not answer.
   */
  async isDraining(now = performance.now()): Promise<boolean> {
    if (now - (this.#samples.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < SAMPLE_MS) return this.#was;
    this.#was = await this.#look(now);
    return this.#was;
  }

  async #look(now: number): Promise<boolean> {
    const rows = await readPositions(this.#db, this.#reader.topic);
    const positions = new Map(rows.map(({ partition, nextOffset }) => [partition, nextOffset]));
    const before = this.#before;
    this.#before = positions;
    const bounds = await this.#reader.bounds([...positions.keys()]).catch(() => null);
    if (bounds === null) return false;
    const ends = new Map([...bounds].map(([partition, { end }]) => [partition, end]));
    this.#samples = [...this.#samples.slice(1 - SAMPLES_MAX), { at: now, ends }];
    const isMoving = [...positions].some(([p, next]) => (before.get(p) ?? next) < next);
    return isMoving && lagMs(this.#samples, positions) > this.#lagMaxMs;
  }
}
