/** A redrive job as text. Pure. */
import type { JobAnswer } from '../admin/job-answer.ts';
import { plain } from './output.ts';
import { durationText } from './overview-text.ts';

/** What a job that redrives has left undone: these outcomes are failures. */
const LEFT = ['failed', 'behind', 'changed'];

export type Outcomes = Readonly<Record<string, number>>;

/** `512 stored, 2 failed`. */
export function outcomesText(outcomes: Outcomes): string {
  const parts = Object.entries(outcomes).map(([outcome, n]) => `${n} ${outcome}`);
  return parts.length === 0 ? 'nothing done' : parts.join(', ');
}

/** Whether something failed again or stays behind another event. */
export function isAnyLeft(outcomes: Outcomes): boolean {
  return LEFT.some((outcome) => (outcomes[outcome] ?? 0) > 0);
}

/** One line. */
export function jobLine(job: JobAnswer): string {
  const { redrive_id, action, state, tried, total, outcomes, asked_by, reason, trouble } = job;
  const words = [
    `${redrive_id}  ${action}  ${state}  ${tried} of ${total}  ${outcomesText(outcomes)}`,
    `by ${plain(asked_by)}`,
    ...(reason === null ? [] : [plain(reason)]),
    ...(trouble === null ? [] : [`TROUBLE: ${plain(trouble)}`]),
  ];
  return words.join('  ');
}

/** The progress, for one line of a terminal. */
export function progressText({ tried, total, outcomes, seconds_left, trouble }: JobAnswer): string {
  const share = total === 0 ? 1 : Math.min(1, tried / total);
  const bar = '█'.repeat(Math.round(share * 20)).padEnd(20, '░');
  const left = seconds_left === null ? '' : `, ${durationText(seconds_left)} left`;
  const stuck = trouble === null ? '' : `  ${plain(trouble, 60)}`;
  return `${bar} ${tried} of ${total}, ${outcomesText(outcomes)}${left}${stuck}`;
}
