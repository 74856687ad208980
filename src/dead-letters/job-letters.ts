/** The dead letters of a job: those that match its filter, or those at its places. */
import {
  countAllDeadLetters,
  type DeadLetterChoice,
  pageOfDeadLetters,
  placeOfNth,
} from '../store/dead-letter-choice.ts';
import type { LogPlace } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import type { JobFilter, RedriveJob } from '../store/redrive-jobs.ts';

/** Which dead letters. One of `filter` and `places` is null. */
export type JobLetters = {
  readonly filter: JobFilter | null;
  readonly places: readonly LogPlace[] | null;
  /**
   * Only those that have not changed since this time. One that the job has tried in vain is not tried
   * again, nor is one that was parked after the job was created. Default: now.
   */
  readonly unchangedSince?: string;
  /** The last one in log order. Default: all. */
  readonly until?: LogPlace | null;
};

/** The dead letters of a job. */
export function lettersOf({ filter, places, createdAt, until }: RedriveJob): JobLetters {
  return { filter, places, unchangedSince: createdAt, until };
}

/** The place of the last one of the first `n`; null if there are no more than those. */
export async function lastOfFirst(
  db: Queryable,
  letters: JobLetters,
  n: number,
): Promise<LogPlace | null> {
  const { places } = letters;
  if (places === null) return await placeOfNth(db, choiceOf(letters), n);
  return sorted(places)[n - 1] ?? null;
}

/** How many there are behind a place, exactly. Of places, how many are given. */
export async function countLetters(
  db: Queryable,
  letters: JobLetters,
  after: LogPlace | null = null,
): Promise<number> {
  const { places } = letters;
  if (places === null) return await countAllDeadLetters(db, { ...choiceOf(letters), from: after });
  return (await pageOfLetters(db, letters, after, places.length)).length;
}

/** The next ones in log order, at most `limit`. @param after the last one of the page before. */
export async function pageOfLetters(
  db: Queryable,
  letters: JobLetters,
  after: LogPlace | null,
  limit: number,
): Promise<LogPlace[]> {
  const { places } = letters;
  if (places !== null) {
    const { until = null } = letters;
    return sorted(places)
      .filter((place) => after === null || compare(place, after) > 0)
      .filter((place) => until === null || compare(place, until) <= 0)
      .slice(0, limit);
  }
  const behind = after === null ? undefined : { at: null, place: after };
  const page = { ...choiceOf(letters), sort: 'place', after: behind, limit } as const;
  return (await pageOfDeadLetters(db, page)).map(({ logId, partition, offset }) => ({
    ...{ logId, partition, offset },
  }));
}

function choiceOf({ filter, unchangedSince, until }: JobLetters): DeadLetterChoice {
  const { reason, sqlstate, shape, order_id: orderId, q } = filter ?? {};
  return { state: 'parked', reason, sqlstate, shape, orderId, q, unchangedSince, until };
}

function sorted(places: readonly LogPlace[]): LogPlace[] {
  const byText = new Map(places.map((place) => [JSON.stringify(place), place]));
  return [...byText.values()].sort(compare);
}

function compare(a: LogPlace, b: LogPlace): number {
  return a.logId - b.logId || a.partition - b.partition || a.offset - b.offset;
}
