/** A count that stops at COUNTED_MAX, so that counting takes a bounded time. */
export type Counted = {
  readonly count: number;
  /** Whether there are more than `count`. */
  readonly is_capped: boolean;
  /** For people: `10,248`, or `100,000+`. */
  readonly text: string;
};

/** A count is not taken further than this. */
export const COUNTED_MAX = 100_000;

/** @param found a count of at most COUNTED_MAX + 1. */
export function counted(found: number): Counted {
  const is_capped = found > COUNTED_MAX;
  const count = Math.min(found, COUNTED_MAX);
  return { count, is_capped, text: `${count.toLocaleString('en-US')}${is_capped ? '+' : ''}` };
}
