import type { FieldError } from '../event/field-error.ts';
import type { Behind, Sort } from '../store/dead-letter-choice.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';

/** One page of a list, as the API answers it. */
export type Page<T> = {
  readonly items: readonly T[];
  /** Give it as `?after=` to get the next page. It is null on the last page. */
  readonly next: string | null;
};

/**
 * @param rows the rows of a query with `limit`. If it found that many, there may be more.
 * @param cursorOf where the next page begins: behind this row.
 */
export function pageOf<R extends LogPlace, T>(
  rows: readonly R[],
  limit: number,
  itemOf: (row: R) => T,
  cursorOf: (row: R) => string = placeText,
): Page<T> {
  const last = rows.length < limit ? undefined : rows.at(-1);
  return { items: rows.map(itemOf), next: last === undefined ? null : cursorOf(last) };
}

/** Where the next page of a sorted list begins. @param at the time of the row, as UTC() spells it. */
export function cursorText(sort: Sort, at: string, place: LogPlace): string {
  return sort === 'place' ? placeText(place) : `${at}/${placeText(place)}`;
}

/** Checks that a cursor is of a list with this sort. @returns the error; null if it is. */
export function wrongCursor(sort: Sort, after: Behind | undefined): FieldError | null {
  if (after === undefined || (after.at === null) === (sort === 'place')) return null;
  const input =
    after.at === null ? placeText(after.place) : cursorText(sort, after.at, after.place);
  const msg = 'Input should be the "next" of a page with the same sort';
  return { type: 'cursor_parsing', loc: ['query', 'after'], msg, input };
}
