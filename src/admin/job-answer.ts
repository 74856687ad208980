import type { RedriveJob } from '../store/redrive-jobs.ts';

export type JobAnswer = ReturnType<typeof jobAnswer>;

/** A job as the API answers it. Pure. */
export function jobAnswer(job: RedriveJob) {
  return {
    redrive_id: job.redriveId,
    action: job.action,
    state: job.state,
    filter: job.filter,
    places: job.places?.length ?? null,
    total: job.total,
    tried: job.tried,
    outcomes: job.outcomes,
    per_second: job.perSecond,
    asked_by: job.askedBy,
    reason: job.reason,
    owner: job.owner,
    trouble: job.trouble,
    stopped_by: job.stoppedBy,
    created_at: job.createdAt,
    started_at: job.startedAt,
    updated_at: job.updatedAt,
    finished_at: job.finishedAt,
    seconds_left: secondsLeft(job),
  };
}

/** At its speed so far; null if it does not run or has tried none. */
function secondsLeft({ state, ranMs, tried, total }: RedriveJob): number | null {
  if (state !== 'running' || ranMs === null || tried === 0) return null;
  return Math.round((ranMs / tried) * Math.max(0, total - tried)) / 1000;
}
