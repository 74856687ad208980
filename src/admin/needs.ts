/** What needs an operator: pure decisions from the facts of a deployment. */

import { FIRST_PROOF_MAX_SECONDS, HEAD_AGE_MAX_SECONDS } from '../store/proof-summary.ts';
import { utcText } from '../store/utc.ts';
import { LINKS } from './console-links.ts';
import { many, type Need, type OverviewFacts, oldestOf } from './need.ts';
import { ofPartitions } from './needs-of-partitions.ts';
import { ofConflicts, ofJobs, ofLetters, ofOutbox } from './needs-of-records.ts';

/** The needs, the most urgent first; those of one severity by how long they have lasted. */
export function needsOf(facts: OverviewFacts): Need[] {
  const needs = [
    ...ofDatabase(facts),
    ...ofPartitions(facts),
    ...ofProof(facts),
    ...ofLetters(facts),
    ...ofConflicts(facts),
    ...ofOutbox(facts),
    ...ofProcesses(facts),
    ...ofDoctor(facts),
    ...ofJobs(facts),
  ];
  // Without PostgreSQL the other facts are old, so that comes first, whenever it began.
  const sinceOf = ({ kind, since }: Need) =>
    kind === 'database_unavailable' ? '' : (since ?? '9');
  const rank = (need: Need) => `${need.severity === 'act' ? 0 : 1} ${sinceOf(need)}`;
  return needs.sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

/** The highest severity; `fine` if there are no needs. */
export function verdictOf(needs: readonly Need[]): 'fine' | 'look' | 'act' {
  if (needs.some(({ severity }) => severity === 'act')) return 'act';
  return needs.length > 0 ? 'look' : 'fine';
}

function ofDatabase({ databaseTrouble }: OverviewFacts): Need[] {
  if (databaseTrouble === null) return [];
  return [
    {
      kind: 'database_unavailable',
      severity: 'act',
      title: 'PostgreSQL does not answer; the values shown are old',
      detail: databaseTrouble,
      count: null,
      since: null,
      next: 'Start PostgreSQL, or restore the way to it. Consumers then resume without intervention.',
      command: null,
      link: LINKS.doctor,
    },
  ];
}

function ofProof({ proof, nowMs }: OverviewFacts): Need[] {
  if (proof === null) return [];
  const { findings, kinds, since, headAgeSeconds, deployedSeconds, trouble } = proof;
  const needs: Need[] = [];
  if (findings > 0) {
    needs.push({
      kind: 'proof_findings',
      severity: 'act',
      title: `The proof found ${many(findings, 'contradiction')}`,
      detail: kinds.join(', '),
      count: findings,
      since,
      next: 'Stop changes to the tables, and find out who made the ones that are shown.',
      command: 'npx orderonce proof',
      link: LINKS.proof,
    });
  }
  const ageSeconds = headAgeSeconds ?? deployedSeconds;
  const maxSeconds = headAgeSeconds === null ? FIRST_PROOF_MAX_SECONDS : HEAD_AGE_MAX_SECONDS;
  if (ageSeconds > maxSeconds) {
    needs.push({
      kind: 'proof_stale',
      severity: 'look',
      title:
        headAgeSeconds === null
          ? 'Nothing has been proven yet'
          : 'The newest events have not been proven',
      detail: trouble,
      count: null,
      since: utcText(nowMs - ageSeconds * 1000),
      next: 'See why the proof does not advance. Consumers with PROOF=on prove.',
      command: 'npx orderonce proof',
      link: LINKS.proof,
    });
  }
  return needs;
}

function ofProcesses({ processes }: OverviewFacts): Need[] {
  const missing = processes.filter(({ isMissing }) => isMissing);
  const running = processes.filter(({ isMissing }) => !isMissing);
  const digests = new Set(running.map(({ handlersDigest }) => handlersDigest));
  const needs: Need[] = [];
  if (missing.length > 0) {
    needs.push({
      kind: 'processes_missing',
      severity: 'look',
      title: `${many(missing.length, 'consumer')} ended without saying so`,
      detail: missing
        .map(({ owner }) => owner)
        .join(', ')
        .slice(0, 500),
      count: missing.length,
      since: oldestOf(missing.map(({ seenAt }) => seenAt)),
      next: 'See whether it was restarted, and its last log lines. Others take over its partitions.',
      command: null,
      link: LINKS.partitions,
    });
  }
  if (digests.size > 1) {
    needs.push({
      kind: 'handlers_differ',
      severity: 'look',
      title: `${digests.size} different sets of handlers run`,
      detail: null,
      count: digests.size,
      since: null,
      next: 'This is expected during an upgrade. Afterwards, all consumers must run the same handlers.',
      command: null,
      link: LINKS.partitions,
    });
  }
  return needs;
}

function ofDoctor({ doctor }: OverviewFacts): Need[] {
  if (doctor === null || doctor.failures === 0) return [];
  return [
    {
      kind: 'doctor_failures',
      severity: 'act',
      title: `${many(doctor.failures, 'check')} of the doctor failed`,
      detail: null,
      count: doctor.failures,
      since: doctor.checkedAt,
      next: 'Each finding has its remedy.',
      command: 'npx orderonce doctor',
      link: LINKS.doctor,
    },
  ];
}
