/**
 * Carries out redrive jobs, one at a time in this process. A job is a row that a consumer leases:
 *
 * 1. Take the oldest open job that no living consumer holds.
 * 2. Redrive its dead letters in log order, each in transactions of its own, and note the progress.
 * 3. Finish it: all were tried, or somebody asked to stop it.
 *
 * If the process is killed, the lease ends after 15 seconds, and another consumer continues behind
 * the last place that was noted. What was done after that place is in the audit, so none is tried
 * twice, and a job of the first ones never reaches others.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import type { Logger } from '../runtime/logger.ts';
import { OutageLog } from '../runtime/outage-log.ts';
import { findDeadLetter } from '../store/dead-letter-queue.ts';
import type { LogPlace } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import {
  countJobAudit,
  finishJob,
  type JobState,
  noteProgress,
  type RedriveJob,
  readJobPlaces,
  releaseJob,
  takeJob,
} from '../store/redrive-jobs.ts';
import { countLetters, lettersOf, pageOfLetters } from './job-letters.ts';
import { discard, redrive } from './redrive.ts';
import type { RedriveContext } from './redrive-one.ts';

const LOOK_MS = 2000;
const PAGE = 200;
/** How often progress is noted. It also renews the lease, which lasts 15 s. */
const NOTE_MS = 500;
const KEEP_MS = 4000;
const BACKOFF = { firstMs: 500, mostMs: 10_000 };

export type WorkerOptions = {
  /** For the rows of jobs. */
  readonly db: Queryable;
  /** What every redrive needs; the actor is the one who asked for the job. */
  readonly redrives: Omit<RedriveContext, 'actor'>;
  readonly owner: string;
  readonly logger: Logger;
};

/** Looks for jobs every 2 seconds, from start() to stop(). */
export class JobWorker {
  readonly #options: WorkerOptions;
  readonly #outage: OutageLog;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#outage = new OutageLog(options.logger, {
      failed: 'Redrive jobs cannot be taken, will retry',
      over: 'Redrive jobs are taken again',
    });
  }

  start(): void {
    this.#timer ??= setInterval(() => this.notify(), LOOK_MS).unref();
    this.notify();
  }

  /** Looks for a job now. Nothing happens while one is carried out, or before start(). */
  notify(): void {
    if (this.#timer === undefined || this.#stopping.signal.aborted) return;
    this.#working ??= this.work()
      .then(
        () => this.#outage.over(),
        (error: unknown) => this.#outage.failed(reasonOf(error)),
      )
      .finally(() => {
        this.#working = null;
      });
  }

  /**
   * Carries out jobs until there is none to take; public for tests.
   * @throws if PostgreSQL does not answer when a job is taken.
   */
  async work(): Promise<void> {
    const { db, owner, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const job = await takeJob(db, owner);
      if (job === null) return;
      const fields = { redrive_id: job.redriveId, action: job.action, asked_by: job.askedBy };
      logger.info({ ...fields, total: job.total, tried: job.tried }, 'Redrive job begins');
      const run = new JobRun(job, this.#options, this.#stopping.signal);
      const end = await run.toEnd();
      logger.info({ ...fields, end, ...run.outcomes }, 'Redrive job ends here');
    }
  }

  /** Stops after the dead letter under way, and gives the job back to other consumers. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#working;
  }
}

/** `lost`: another consumer has taken the job. `released`: this process stops. */
type End = 'done' | 'stopped' | 'lost' | 'released';

/** One job, as far as this process carries it out. */
class JobRun {
  readonly #job: RedriveJob;
  readonly #options: WorkerOptions;
  readonly #context: RedriveContext;
  readonly #signal: AbortSignal;
  readonly #key: { readonly redriveId: number; readonly owner: string };
  #outcomes: Record<string, number>;
  #tried: number;
  #after: LogPlace | null;
  #done: ReadonlySet<string> = new Set();
  #trouble: string | null = null;
  #state: JobState | null = 'running';
  #notedAt = 0;
  #noting: Promise<void> = Promise.resolve();

  constructor(job: RedriveJob, options: WorkerOptions, signal: AbortSignal) {
    const { redriveId, askedBy: actor } = job;
    this.#job = job;
    this.#options = options;
    this.#context = { ...options.redrives, actor, redriveId };
    this.#signal = signal;
    this.#key = { redriveId, owner: options.owner };
    this.#outcomes = { ...job.outcomes };
    this.#tried = job.tried;
    this.#after = job.after;
    this.#state = job.state;
  }

  get outcomes(): Readonly<Record<string, number>> {
    return this.#outcomes;
  }

  async toEnd(): Promise<End> {
    const { db } = this.#options;
    // One redrive may take longer than the lease.
    const keeper = setInterval(() => this.#note(), KEEP_MS).unref();
    let end: End;
    try {
      end = await this.#run();
    } finally {
      clearInterval(keeper);
    }
    await this.#count().catch(() => {});
    // Others have redriven, edited or discarded these since the job was created.
    const changed = this.#job.total - this.#tried;
    if (end === 'done' && changed > 0) this.#outcomes = { ...this.#outcomes, changed };
    await this.#note();
    if (end === 'released') await releaseJob(db, this.#key).catch(() => {});
    if (end === 'done' || end === 'stopped')
      await this.#insist(() => finishJob(db, this.#key, end));
    return end;
  }

  async #run(): Promise<End> {
    const { total, perSecond } = this.#job;
    if ((await this.#insist(() => this.#recall())) === null) return this.#endedBy() ?? 'released';
    let nextAt = performance.now();
    for (;;) {
      const page = await this.#insist(() => this.#page());
      if (page === null) return this.#endedBy() ?? 'released';
      if (page.length === 0) return 'done';
      for (const place of page) {
        const end = this.#endedBy();
        if (end !== null) return end;
        if (this.#done.has(keyOf(place))) {
          this.#after = place;
          continue;
        }
        if (this.#tried >= total) return 'done';
        await pause(Math.max(0, nextAt - performance.now()), this.#signal);
        nextAt = Math.max(nextAt, performance.now()) + (perSecond === null ? 0 : 1000 / perSecond);
        if (this.#signal.aborted) return 'released';
        const outcomes = await this.#insist(() => this.#act(place));
        if (outcomes === null) return this.#endedBy() ?? 'released';
        for (const outcome of outcomes) {
          this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
        }
        this.#tried += 1;
        this.#after = place;
        if (performance.now() - this.#notedAt >= NOTE_MS) await this.#note();
      }
    }
  }

  /** What a consumer before this one has tried, and could not note any more. */
  async #recall(): Promise<true> {
    const { redriveId, places, total, ranMs } = this.#job;
    if (ranMs === 0) return true;
    const { pool } = this.#context;
    this.#done = new Set((await readJobPlaces(pool, redriveId)).map(keyOf));
    const left = places?.filter((place) => !this.#done.has(keyOf(place))) ?? null;
    const letters = { ...lettersOf(this.#job), places: left };
    this.#tried = Math.max(this.#tried, total - (await countLetters(pool, letters, this.#after)));
    return true;
  }

  async #page(): Promise<LogPlace[]> {
    return await pageOfLetters(this.#context.pool, lettersOf(this.#job), this.#after, PAGE);
  }

  #endedBy(): End | null {
    if (this.#state === null) return 'lost';
    if (this.#state === 'stopping' || this.#state === 'stopped') return 'stopped';
    return this.#signal.aborted ? 'released' : null;
  }

  /** @returns the outcomes of this dead letter and of those that followed it. */
  async #act(place: LogPlace): Promise<string[]> {
    const { action, reason } = this.#job;
    if (action === 'redrive') {
      return (await redrive(this.#context, place)).map(({ outcome }) => outcome);
    }
    const letter = await findDeadLetter(this.#context.pool, place);
    if (letter === null || letter.state === 'discarded') return ['gone'];
    try {
      const followed = await discard(this.#context, place, reason ?? '');
      return ['discarded', ...followed.map(({ outcome }) => outcome)];
    } catch (error) {
      const isGone = error instanceof OrderonceError && error.code === 'DEAD_LETTER_UNKNOWN';
      if (isGone) return ['gone'];
      throw error;
    }
  }

  /** Repeats `work` through an outage. @returns null if the job ends meanwhile. */
  async #insist<T>(work: () => Promise<T>): Promise<T | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await work();
        this.#trouble = null;
        return result;
      } catch (error) {
        this.#trouble = reasonOf(error).slice(0, 1000);
        const fields = { redrive_id: this.#job.redriveId, reason: this.#trouble, attempt };
        if (attempt === 1) this.#options.logger.warn(fields, 'Redrive job is held up');
      }
      await this.#note();
      if (this.#endedBy() !== null) return null;
      await pause(backoffMs(attempt, BACKOFF), this.#signal);
      if (this.#signal.aborted) return null;
    }
  }

  /** Notes the progress. While PostgreSQL does not answer, it is noted with the next one. */
  async #note(): Promise<void> {
    this.#noting = this.#noting.then(async () => {
      const progress = { tried: this.#tried, outcomes: this.#outcomes };
      const where = { after: this.#after, trouble: this.#trouble };
      this.#state = await noteProgress(this.#options.db, this.#key, { ...progress, ...where });
      this.#notedAt = performance.now();
    });
    this.#noting = this.#noting.catch(() => {});
    await this.#noting;
  }

  /** Takes the numbers from the audit, which counts also what a killed consumer could not note. */
  async #count(): Promise<void> {
    const counted = await countJobAudit(this.#options.db, this.#job.redriveId);
    this.#outcomes = { ...this.#outcomes, ...counted };
  }
}

const keyOf = ({ logId, partition, offset }: LogPlace) => `${logId}/${partition}/${offset}`;
