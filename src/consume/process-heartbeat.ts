/** Keeps the row of this process in the table processes. */

import { type ProcessReport, removeProcess, reportProcess } from '../store/processes.ts';
import type { Queryable } from '../store/queryable.ts';

const REPORT_MS = 5000;

/** Writes the row every 5 seconds, from start() to stop(). */
export class ProcessHeartbeat {
  readonly #db: Queryable;
  readonly #report: () => ProcessReport;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param report what the process says about itself at that moment. */
  constructor(db: Queryable, report: () => ProcessReport) {
    this.#db = db;
    this.#report = report;
  }

  start(): void {
    const beat = () => {
      this.#writing = this.#writing.then(() => this.beat()).catch(() => {});
    };
    this.#timer ??= setInterval(beat, REPORT_MS).unref();
    beat();
  }

  /** Writes the row once; public for tests. @throws if PostgreSQL does not answer. */
  async beat(): Promise<void> {
    await reportProcess(this.#db, this.#report());
  }

  /** Removes the row: a process that stops in order is not missing. It resolves in any case. */
  async stop(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#writing;
    await removeProcess(this.#db, this.#report().owner).catch(() => {});
  }
}
