import { Gauge, type Registry } from 'prom-client';
import { OFFSET_KINDS } from '../store/account-queries.ts';
import { ROW_KINDS } from '../store/account-questions.ts';
import type { ProofSummary } from '../store/proof-summary.ts';

/** Every kind of finding: those of `verify`, and `changed`, which only a proof with a memory sees. */
export const FINDING_KINDS: readonly string[] = [...OFFSET_KINDS, ...ROW_KINDS, 'changed'];

/** Several scrapers, and the gauges of one scrape, share an answer of the database. */
const FRESH_MS = 5000;

/**
 * Adds the gauges of the continuous proof. Every consumer tells the same, whoever proves: they are read
 * from the database.
 * @param read called at most every FRESH_MS. While it fails, the gauges are absent: 0 would say that
 * nothing was found.
 */
export function addProofMetrics(registry: Registry, read: () => Promise<ProofSummary>): void {
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<ProofSummary | null> = Promise.resolve(null);
  const readOnce = () => {
    if (performance.now() - readAt > FRESH_MS) {
      readAt = performance.now();
      reading = read().catch(() => null);
    }
    return reading;
  };
  const registers = [registry];
  new Gauge({
    name: 'orderonce_proof_age_seconds',
    help: 'Age of the continuous proof: of the events up to the position (scope head), and of a whole round over all tables (full). Absent before the first.',
    labelNames: ['scope'],
    registers,
    async collect() {
      const summary = await readOnce();
      const ages = { head: summary?.head_age_seconds, full: summary?.full_age_seconds };
      for (const [scope, age] of Object.entries(ages)) {
        if (typeof age === 'number') this.set({ scope }, age);
        else this.remove({ scope });
      }
    },
  });
  new Gauge({
    name: 'orderonce_proof_findings',
    help: 'Findings of the continuous proof that nobody has acknowledged, by kind.',
    labelNames: ['kind'],
    registers,
    async collect() {
      const summary = await readOnce();
      for (const kind of FINDING_KINDS) {
        if (summary === null) this.remove({ kind });
        else this.set({ kind }, summary.findings[kind] ?? 0);
      }
    },
  });
  new Gauge({
    name: 'orderonce_proof_behind_records',
    help: 'Offsets between the end of the continuous proof and the positions.',
    registers,
    async collect() {
      const summary = await readOnce();
      if (summary === null) this.remove();
      else this.set(summary.behind_records);
    },
  });
}
