import { type LogPlace, placeText } from '../store/log-place.ts';

export type Page<T> = {
  readonly items: readonly T[];
  /** To be given as `after` for the next page; null on the last one. */
  readonly next: string | null;
};

/** @param rows as asked for: `limit` of them mean that there may be more. */
export function pageOf<R extends LogPlace, T>(
  rows: readonly R[],
  limit: number,
  itemOf: (row: R) => T,
): Page<T> {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return { items: rows.map(itemOf), next: last === undefined ? null : placeText(last) };
}
