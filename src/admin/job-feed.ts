/** Redrive jobs that change, for the stream. */
import type { Queryable } from '../store/queryable.ts';
import { listJobsSince } from '../store/redrive-jobs.ts';
import { type JobAnswer, jobAnswer } from './job-answer.ts';

/** Tells jobs that have changed from those that have not. */
export class JobFeed {
  readonly #db: Queryable;
  #sinceMs = Date.now();
  #seen = new Map<number, string>();

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** The jobs that are open. */
  async open(): Promise<JobAnswer[]> {
    return (await listJobsSince(this.#db, Date.now())).map(jobAnswer);
  }

  /** Jobs that have changed since the last call, or have ended since then. */
  async changed(): Promise<JobAnswer[]> {
    const from = this.#sinceMs;
    const jobs = (await listJobsSince(this.#db, from - 10_000)).map(jobAnswer);
    const before = this.#seen;
    this.#seen = new Map(jobs.map((job) => [job.redrive_id, job.updated_at + job.state]));
    this.#sinceMs = Date.now();
    return jobs.filter((job) => before.get(job.redrive_id) !== this.#seen.get(job.redrive_id));
  }
}
