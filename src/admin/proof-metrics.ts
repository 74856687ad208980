/** The gauges of the continuous proof. Every consumer shows the same, whoever proves. */
import type { Registry } from 'prom-client';
import { OFFSET_KINDS } from '../store/account-queries.ts';
import type { ProofSummary } from '../store/proof-summary.ts';
import { ROW_KINDS } from '../store/questions.ts';
import { figuresReader, gaugesOf } from './database-metrics.ts';

/** Every kind of finding: those of `verify`, and `changed`, which only a proof with a memory sees. */
export const FINDING_KINDS: readonly string[] = [...OFFSET_KINDS, ...ROW_KINDS, 'changed'];

/**
 * Registers the gauges.
 * @param read from the database; called as seldom as for the other gauges of the database. While it
 * fails, the gauges are absent: 0 would say that nothing was found.
 */
export function addProofMetrics(registry: Registry, read: () => Promise<ProofSummary>): void {
  const add = gaugesOf(registry, figuresReader(read));
  add(
    'orderonce_proof_age_seconds',
    'Age of the continuous proof: of the events up to the position (scope head), and of a whole round over all tables (full). Absent before the first.',
    ['scope'],
    (gauge, { head_age_seconds: head, full_age_seconds: full }) => {
      if (head !== null) gauge.set({ scope: 'head' }, head);
      if (full !== null) gauge.set({ scope: 'full' }, full);
    },
  );
  add(
    'orderonce_proof_findings',
    'Findings of the continuous proof that nobody has acknowledged, by kind.',
    ['kind'],
    (gauge, { findings }) => {
      for (const kind of FINDING_KINDS) gauge.set({ kind }, findings[kind] ?? 0);
    },
  );
  add(
    'orderonce_proof_behind_records',
    'Offsets between the end of the continuous proof and the positions.',
    [],
    (gauge, { behind_records: behind }) => gauge.set(behind),
  );
}
