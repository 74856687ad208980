/** Reads the facts of the deployment for the overview, at most once a second for all who look. */

import { reasonOf } from '../errors.ts';
import type { PartitionReport } from '../positions/report.ts';
import { within } from '../runtime/deadline.ts';
import { readRecentActivity } from '../store/activity.ts';
import { counted } from '../store/capped.ts';
import { countByReason } from '../store/dead-letter-choice.ts';
import { countHeldOrders } from '../store/held-orders-report.ts';
import { type OutboxLag, readOutboxLag } from '../store/outbox.ts';
import { listProcesses } from '../store/processes.ts';
import type { ProofState } from '../store/proof-summary.ts';
import type { Queryable } from '../store/queryable.ts';
import { listJobsSince } from '../store/redrive-jobs.ts';
import { utcText } from '../store/utc.ts';
import { ArrivalRate } from './arrival-rate.ts';
import type { OverviewFacts } from './need.ts';
import { needsOf, verdictOf } from './needs.ts';

/** Where the facts come from. */
export type OverviewSources = {
  readonly db: Queryable;
  readonly reports: () => Promise<readonly PartitionReport[]>;
  /** Why PostgreSQL cannot be used, as the health probe knows it; null if it can. */
  readonly databaseTrouble: () => string | null;
  /** The last result of the doctor, if there is one. It is not asked for here: it takes seconds. */
  readonly doctor: () => DoctorSummary | null;
  /** The state of the continuous proof; null if there is none. */
  readonly proof: (db: Queryable) => Promise<ProofState | null>;
  readonly now?: () => number;
};

export type DoctorSummary = {
  readonly fit: boolean;
  readonly failures: number;
  readonly warnings: number;
  readonly checked_at: string;
};

/** A read is shared for this time. */
const FRESH_MS = 1000;
/** How long a reader waits for PostgreSQL and the log; then the last values are given. */
const READ_MS = 3000;

type Values = Awaited<ReturnType<OverviewFeed['readValues']>>;

/** What GET /overview answers. */
export type Overview = ReturnType<typeof overviewOf>;

/** The overview of the deployment. It reads nothing while nobody asks. */
export class OverviewFeed {
  readonly #sources: OverviewSources;
  readonly #now: () => number;
  readonly #arrivals = new ArrivalRate();
  #values: Values = NOTHING;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: { readonly done: Promise<void>; readonly since: number } | null = null;
  #failure: string | null = null;

  constructor(sources: OverviewSources) {
    this.#sources = sources;
    this.#now = sources.now ?? Date.now;
  }

  /**
   * The overview, at most a second old. While PostgreSQL does not answer, it has the last values, and
   * says so. It never rejects, and takes at most 3 seconds.
   */
  async read(): Promise<Overview> {
    if (this.#now() - this.#readAt >= FRESH_MS) {
      // One read at a time, also when PostgreSQL hangs and many look.
      this.#reading ??= { since: this.#now(), done: this.#refresh() };
      const { done, since } = this.#reading;
      const late = () => new Error(`No answer within ${READ_MS} ms`);
      // Those who come while it hangs do not wait as long again.
      const leftMs = Math.max(0, since + READ_MS - this.#now());
      await within(leftMs, done, late).catch((error: Error) => {
        this.#failure = error.message;
      });
    }
    const databaseTrouble = this.#sources.databaseTrouble() ?? this.#failure;
    return overviewOf(this.#values, databaseTrouble, this.#now(), this.#sources.doctor());
  }

  async #refresh(): Promise<void> {
    try {
      this.#values = await this.readValues();
      this.#failure = null;
      this.#readAt = this.#now();
    } catch (error) {
      this.#failure = reasonOf(error);
    } finally {
      this.#reading = null;
    }
  }

  /** Reads everything once. @throws if PostgreSQL does not answer. */
  async readValues() {
    const { db, reports, proof } = this.#sources;
    const [partitions, letters, orders, activity, outbox, processes, jobs, proven] =
      await Promise.all([
        reports(),
        countByReason(db),
        countHeldOrders(db),
        readRecentActivity(db),
        readOutboxLag(db),
        listProcesses(db),
        listJobsSince(db, this.#now()),
        proof(db),
      ]);
    const nowMs = this.#now();
    return {
      ...{ nowMs, partitions, letters, orders, activity, outbox, processes, jobs, proven },
      arrivedPerSecond: this.#arrivals.note(nowMs, partitions),
    };
  }
}

const NOTHING = {
  nowMs: 0,
  partitions: [] as readonly PartitionReport[],
  letters: [] as Awaited<ReturnType<typeof countByReason>>,
  orders: { held: counted(0), since: null } as Awaited<ReturnType<typeof countHeldOrders>>,
  activity: { lastMinute: 0, duplicatesLastHour: 0, conflictsLastHour: 0 },
  outbox: { pending: 0, oldestSeconds: 0 } as OutboxLag,
  processes: [] as Awaited<ReturnType<typeof listProcesses>>,
  jobs: [] as Awaited<ReturnType<typeof listJobsSince>>,
  proven: null as ProofState | null,
  arrivedPerSecond: null as number | null,
};

function overviewOf(
  values: Values,
  databaseTrouble: string | null,
  nowMs: number,
  doctor: DoctorSummary | null,
) {
  const { partitions, letters, orders, activity, outbox, processes, jobs, proven } = values;
  const open = jobs.filter(({ finishedAt }) => finishedAt === null);
  const facts: OverviewFacts = {
    // While the values are old, "for how long" must not grow.
    nowMs: databaseTrouble === null ? nowMs : values.nowMs,
    databaseTrouble,
    ...{ partitions, letters, heldOrders: orders.held, heldSince: orders.since },
    conflictsLastHour: activity.conflictsLastHour,
    outboxOldestSeconds: outbox.oldestSeconds,
    proof: proven,
    doctor: doctor && { failures: doctor.failures, checkedAt: doctor.checked_at },
    processes,
    troubledJobs: open.flatMap(({ redriveId, trouble, updatedAt }) =>
      trouble === null ? [] : [{ redriveId, trouble, updatedAt }],
    ),
  };
  const needs = needsOf(facts);
  const behind = partitions.filter(({ lag }) => (lag ?? 0) > 0);
  const stillMs = behind.map(({ updated_at }) => facts.nowMs - Date.parse(updated_at));
  return {
    as_of: utcText(values.nowMs),
    verdict: verdictOf(needs),
    needs,
    rates: {
      arrived_per_second: values.arrivedPerSecond,
      processed_per_second: Math.round((activity.lastMinute / 60) * 10) / 10,
    },
    lag: {
      records: partitions.every(({ lag }) => lag === null)
        ? null
        : partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
      still_seconds: stillMs.length === 0 ? null : Math.max(0, ...stillMs.map(toSeconds)),
    },
    partitions,
    dead_letters: letters,
    held_orders: orders.held,
    conflicts_last_hour: activity.conflictsLastHour,
    duplicates_last_hour: activity.duplicatesLastHour,
    outbox: { pending: outbox.pending, oldest_seconds: Math.max(0, outbox.oldestSeconds) },
    proof: proven && {
      findings: proven.findings,
      kinds: proven.kinds,
      since: proven.since,
      head_age_seconds: proven.headAgeSeconds,
      trouble: proven.trouble,
    },
    doctor,
    processes: {
      running: processes.filter(({ isMissing }) => !isMissing).length,
      missing: processes.filter(({ isMissing }) => isMissing).length,
    },
    redrives: open.map(({ redriveId }) => redriveId),
  };
}

function toSeconds(ms: number): number {
  return Math.round(ms / 1000);
}
