/** What a redrive of many would do: how many match, and how the first ones would end. */

import { findDeadLetter } from '../store/dead-letter-queue.ts';
import type { LogPlace } from '../store/log-place.ts';
import { eventOf } from './dead-letter-event.ts';
import { countLetters, type JobLetters, pageOfLetters } from './job-letters.ts';
import { type RedriveContext, type RedriveResult, tryRedrive } from './redrive-one.ts';

export type Plan = {
  /** How many dead letters match. */
  readonly count: number;
  /** How the first ones would end; each was tried alone and rolled back. */
  readonly tried: readonly RedriveResult[];
};

/** Trying ends after this time, in ms: a person waits for the plan. */
const TRY_MS = 5000;

/** @param triedMax how many are tried at most; 0 for none. */
export async function planOf(
  context: RedriveContext,
  letters: JobLetters,
  triedMax: number,
): Promise<Plan> {
  const count = await countLetters(context.pool, letters);
  const tried: RedriveResult[] = [];
  const end = performance.now() + TRY_MS;
  const first = triedMax === 0 ? [] : await pageOfLetters(context.pool, letters, null, triedMax);
  for (const place of first) {
    if (performance.now() >= end) break;
    tried.push(await tryPlace(context, place));
  }
  return { count, tried };
}

/** How a redrive of this dead letter alone would end. Nothing is changed. */
async function tryPlace(context: RedriveContext, place: LogPlace): Promise<RedriveResult> {
  const letter = await findDeadLetter(context.pool, place);
  if (letter === null || letter.state === 'discarded') return { ...place, outcome: 'gone' };
  const event = await eventOf(context.pool, letter, context.rules);
  if (event === null) return { ...place, outcome: 'invalid' };
  return await tryRedrive(context, place, { event, takesId: letter.digest === null });
}
