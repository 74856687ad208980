import { type LogPlace, placeText } from '../store/log-place.ts';

/** One page of a list, as the API answers it. */
export type Page<T> = {
  readonly items: readonly T[];
  /** Give it as `?after=` to get the next page. It is null on the last page. */
  readonly next: string | null;
};

/** @param rows the rows of a query with `limit`. If it found that many, there may be more. */
export function pageOf<R extends LogPlace, T>(
  rows: readonly R[],
  limit: number,
  itemOf: (row: R) => T,
): Page<T> {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return { items: rows.map(itemOf), next: last === undefined ? null : placeText(last) };
}
