/** Finds the first difference between two runs over the same events, and says it in one line. */

import type { TeamColumn } from '../store/test-tables.ts';
import type { Difference } from './proof-error.ts';
import type { Row, Snapshot, Table } from './snapshot.ts';

const SHOWN_CHARS_MAX = 100;

/**
 * @param expected the undisturbed run.
 * @param ids of the events, as they are stored.
 * @returns null if both are the same: rows count as a multiset, so their order does not matter.
 */
export function firstDifference(
  expected: Snapshot,
  actual: Snapshot,
  ids: readonly string[],
): Difference | null {
  const outcome = differentOutcome(expected, actual, ids);
  if (outcome !== null) return outcome;
  const names = new Set([...expected.tables.keys(), ...actual.tables.keys()]);
  for (const name of names) {
    const [before, after] = [expected.tables.get(name), actual.tables.get(name)];
    if (before === undefined || after === undefined) {
      const what = `${name}: the table ${after === undefined ? 'is missing' : 'is new'}`;
      return { table: name, what };
    }
    const difference = differentRows(name, before, after, ids);
    if (difference !== null) return { table: name, ...difference };
  }
  return null;
}

function differentOutcome(
  expected: Snapshot,
  actual: Snapshot,
  ids: readonly string[],
): Difference | null {
  for (const id of new Set(ids)) {
    const [before, after] = [expected.outcomes.get(id), actual.outcomes.get(id)];
    if (before?.state === after?.state) continue;
    const reason = [after, before].find((outcome) => outcome?.message)?.message;
    const what = `Event ${id} is ${after?.state ?? 'unknown'} instead of ${before?.state ?? 'unknown'}`;
    return { table: null, what: reason ? `${what} (${reason})` : what };
  }
  return null;
}

type Found = Omit<Difference, 'table'>;

function differentRows(
  name: string,
  expected: Table,
  actual: Table,
  ids: readonly string[],
): Found | null {
  const extra = without(actual.rows, expected.rows);
  const missing = without(expected.rows, actual.rows);
  if (extra.length === 0 && missing.length === 0) return null;
  for (const id of ids) {
    const count = (rows: readonly Row[]) => rows.filter((row) => mentions(row, id)).length;
    const [before, after] = [count(expected.rows), count(actual.rows)];
    if (before === after) continue;
    return { what: `${name}: ${rowsOf(after)} instead of ${before} for event ${id}` };
  }
  const pair = closestPair(expected, extra, missing);
  if (pair !== null) return differentColumns(name, expected, pair, ids);
  const [before, after] = [expected.rows.length, actual.rows.length];
  const example = shown(JSON.stringify(extra[0] ?? missing[0]));
  const which = extra.length > 0 ? 'without a counterpart' : 'that is missing';
  const counts = before === after ? '' : ` ${rowsOf(after)} instead of ${before};`;
  return { what: `${name}:${counts} a row ${which}: ${example}` };
}

type Pair = { readonly before: Row; readonly after: Row };

/** Two rows with the same key, or else the two that differ least, unless they share nothing. */
function closestPair(
  { columns }: Table,
  extra: readonly Row[],
  missing: readonly Row[],
): Pair | null {
  const inKey = columns.filter(({ isInKey }) => isInKey).map((column) => column.name);
  const all = columns.map((column) => column.name);
  let best: (Pair & { readonly distance: number }) | null = null;
  for (const after of extra.slice(0, SHOWN_CHARS_MAX)) {
    for (const before of missing.slice(0, SHOWN_CHARS_MAX)) {
      if (inKey.length > 0 && differing(before, after, inKey).length === 0) {
        return { before, after };
      }
      const distance = differing(before, after, all).length;
      if (best === null || distance < best.distance) best = { before, after, distance };
    }
  }
  return best !== null && best.distance < all.length ? best : null;
}

function differentColumns(
  name: string,
  { columns, why }: Table,
  { before, after }: Pair,
  ids: readonly string[],
): Found {
  const different = columns.filter((column) => before[column.name] !== after[column.name]);
  const [first] = different as [(typeof different)[number]];
  const values = `${shown(after[first.name])} instead of ${shown(before[first.name])}`;
  const id = ids.find((known) => mentions(before, known));
  const same = columns.filter(
    (column) => column.isInKey && before[column.name] === after[column.name],
  );
  const place = same
    .map((column) => `${column.name} = ${shown(before[column.name])}`)
    .join(' and ');
  const where = place === '' ? '' : ` where ${place}`;
  const which = id === undefined ? where : ` for event ${id}`;
  const names = different.map((column) => `'${name}.${column.name}'`).join(', ');
  const hint = `${why ?? whyOf(different)}. If it may differ, leave it out: provesExactlyOnce(events, { ignore: [${names}] })`;
  return { what: `${name}.${first.name} is ${values}${which}`, hint };
}

function whyOf(different: readonly TeamColumn[]): string {
  const byDefault = different.find((column) => column.default !== null);
  if (byDefault !== undefined) return `The default of "${byDefault.name}" is ${byDefault.default}`;
  return different.some(({ isInKey }) => isInKey)
    ? 'A key that is not made of the event does not recognise a repeat'
    : 'The value does not depend on the events alone';
}

/** Those of `rows` that `others` does not have, each as often as it is missing there. */
function without(rows: readonly Row[], others: readonly Row[]): Row[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(textOf(row), (left.get(textOf(row)) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(textOf(row)) ?? 0;
    if (count > 0) left.set(textOf(row), count - 1);
    return count === 0;
  });
}

/** Rows of one table have their columns in one order. */
function textOf(row: Row): string {
  return JSON.stringify(row);
}

function mentions(row: Row, eventId: string): boolean {
  return Object.values(row).some((value) => value?.includes(eventId));
}

function differing(a: Row, b: Row, columns: readonly string[]): string[] {
  return columns.filter((column) => a[column] !== b[column]);
}

function rowsOf(count: number): string {
  return `${count} ${count === 1 ? 'row' : 'rows'}`;
}

function shown(value: string | null | undefined): string {
  const text = value ?? 'NULL';
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
