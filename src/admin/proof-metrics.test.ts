import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Registry } from 'prom-client';
import type { ProofSummary } from '../store/proof-summary.ts';
import { addProofMetrics, FINDING_KINDS } from './proof-metrics.ts';

const SUMMARY: ProofSummary = {
  head_age_seconds: 3,
  full_age_seconds: null,
  behind_records: 12,
  findings: { hole: 2 },
  owner: null,
  trouble: null,
  patrol: null,
  round_started_at: null,
};

const scrape = async (read: () => Promise<ProofSummary>) => {
  const registry = new Registry();
  addProofMetrics(registry, read);
  return (await registry.metrics())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
};

it('the gauges of the proof have every kind from the start, and no age that is not known', async () => {
  let reads = 0;
  const lines = await scrape(async () => {
    reads++;
    return SUMMARY;
  });
  assert.equal(reads, 1, 'one question for all gauges of a scrape');
  assert.deepEqual(
    lines.filter((line) => !line.includes('findings')),
    ['orderonce_proof_age_seconds{scope="head"} 3', 'orderonce_proof_behind_records 12'],
  );
  const ofFindings = lines.filter((line) => line.includes('findings'));
  assert.equal(ofFindings.length, FINDING_KINDS.length);
  assert.ok(ofFindings.includes('orderonce_proof_findings{kind="hole"} 2'));
  assert.ok(ofFindings.includes('orderonce_proof_findings{kind="held order"} 0'));
});

it('they say nothing while the database does not answer', async () => {
  assert.deepEqual(await scrape(() => Promise.reject(new Error('down'))), []);
});
