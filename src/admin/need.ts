/** What needs an operator, and the facts from which that is decided. */
import type { PartitionReport } from '../positions/report.ts';
import type { Counted } from '../store/capped.ts';
import type { ReasonCount } from '../store/dead-letter-choice.ts';
import type { ProofState } from '../store/proof-summary.ts';

/** What is known of a deployment at one moment. Times are UTC, as events spell them. */
export type OverviewFacts = {
  readonly nowMs: number;
  /** Why PostgreSQL cannot be used; null if it can. The other facts are then old. */
  readonly databaseTrouble: string | null;
  readonly partitions: readonly PartitionReport[];
  readonly letters: readonly ReasonCount[];
  readonly heldOrders: Counted;
  readonly heldSince: string | null;
  readonly conflictsLastHour: number;
  readonly outboxOldestSeconds: number;
  /** null: this process does not prove (PROOF=off). */
  readonly proof: ProofState | null;
  /** The last result of the doctor; null if there is none. */
  readonly doctor: { readonly failures: number; readonly checkedAt: string } | null;
  readonly processes: readonly {
    readonly owner: string;
    readonly isMissing: boolean;
    readonly seenAt: string;
    readonly handlersDigest: string | null;
  }[];
  /** Redrive jobs that make no progress. */
  readonly troubledJobs: readonly {
    readonly redriveId: number;
    readonly trouble: string;
    readonly updatedAt: string;
  }[];
};

/** One cause that needs somebody; the API's description explains its fields. */
export type Need = {
  readonly kind: string;
  /** `act`: somebody must act now. `look`: somebody should look, within a day. */
  readonly severity: 'act' | 'look';
  readonly title: string;
  readonly detail: string | null;
  readonly count: number | null;
  readonly since: string | null;
  readonly next: string;
  readonly command: string | null;
  readonly link: string;
};

/** `1 partition`, `3 partitions`. */
export function many(n: number | string, word: string): string {
  return `${n} ${word}${String(n) === '1' ? '' : 's'}`;
}

/** The earliest of these times; null if none is known. */
export function oldestOf(times: readonly (string | null)[]): string | null {
  const known = times.filter((time) => time !== null).sort();
  return known[0] ?? null;
}
