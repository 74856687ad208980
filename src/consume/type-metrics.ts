/** Counts records by the type of their event, in deployments that declare types. */
import { Counter, type Registry } from 'prom-client';
import type { Settled } from '../inbox/batch.ts';
import type { EventRecord } from '../log/decoded-record.ts';

/** The labels beside the declared types. No name of a type begins like them. */
const UNTYPED = '(none)';
const OTHER = '(other)';
/** More declared types than this are counted as OTHER, so that the series stay few. */
const TYPES_MAX = 100;
const OUTCOMES = ['stored', 'duplicate', 'conflict', 'dead_letter'] as const;

/**
 * Registers the counter. Its labels are bounded: whoever writes to the topic can send any type, but
 * only declared ones get a series of their own.
 * @param types the declared ones; null where none are declared, and nothing is counted.
 * @returns a function to be called after each COMMIT.
 */
export function addTypeMetrics(
  registry: Registry,
  types: Iterable<string> | null,
): (settled: Settled) => void {
  if (types === null) return () => {};
  const records = new Counter({
    name: 'orderonce_typed_records_total',
    help: 'Records by type of event and outcome, where types are declared. (none): events without a type; (other): types that are not declared, and records that are no event.',
    labelNames: ['type', 'outcome'],
    registers: [registry],
  });
  const known = new Set([...types].slice(0, TYPES_MAX));
  for (const type of [...known, UNTYPED, OTHER]) {
    for (const outcome of OUTCOMES) records.inc({ type, outcome }, 0);
  }
  const labelOf = (record: EventRecord | undefined) => {
    if (record === undefined) return OTHER;
    const { type = UNTYPED } = record.event;
    return known.has(type) || type === UNTYPED ? type : OTHER;
  };
  const count = (outcome: string, of: readonly (EventRecord | undefined)[]) => {
    // One addition for each type: looking up the labels costs more than the rest.
    const counts = new Map<string, number>();
    for (const record of of) {
      const type = labelOf(record);
      counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    for (const [type, n] of counts) records.inc({ type, outcome }, n);
  };
  return ({ storedRecords, duplicates, conflicts, deadLetters }) => {
    count('stored', storedRecords);
    count(
      'duplicate',
      duplicates.map(({ event }) => event),
    );
    count(
      'conflict',
      conflicts.map(({ event }) => event),
    );
    count(
      'dead_letter',
      deadLetters.map(({ event }) => event),
    );
  };
}
