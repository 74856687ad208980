/** Watches a redrive job until it has ended. The job itself runs in a consumer. */
import type { JobAnswer } from '../admin/job-answer.ts';
import { OrderonceError } from '../errors.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { EXIT } from './command.ts';
import type { ConsumerApi } from './consumer-api.ts';
import { isAnyLeft, outcomesText, progressText } from './job-text.ts';
import type { Output } from './output.ts';

/** The first looks are quick, since most jobs are small. */
const LOOKS = { firstMs: 50, mostMs: 1000 };
/** For how long a consumer may not answer, such as while it restarts. */
const SILENT_MS = 60_000;
/** Without a terminal, a line of progress is written this often. */
const LINE_MS = 10_000;

/**
 * Shows progress on standard error, and at the end the job on standard output.
 * @param signal Ctrl-C: it ends the command, and says how to watch or stop the job, which runs on.
 * @returns the exit code: 1 if the job was stopped, or something failed again or stays behind
 * another event; 130 after Ctrl-C.
 * @throws NOTHING_MATCHES if there is no such job; CONSUMER_UNREACHABLE
 */
export async function watchJob(
  api: ConsumerApi,
  id: number,
  out: Output,
  signal: AbortSignal,
): Promise<number> {
  let lineAt = performance.now() + LINE_MS;
  for (let looks = 1; ; looks++) {
    const job = await readJob(api, id, out, signal);
    if (job?.state === 'done' || job?.state === 'stopped') return report(job, out);
    if (signal.aborted || job === null) {
      out.progress('');
      out.say(nextStepText(api, id));
      return EXIT.interrupted;
    }
    out.progress(progressText(job));
    if (performance.now() > lineAt && out.stderr.isTTY !== true) {
      out.say(progressText(job));
      lineAt = performance.now() + LINE_MS;
    }
    await pause(backoffMs(looks, LOOKS), signal);
  }
}

/** @returns null after Ctrl-C */
async function readJob(
  api: ConsumerApi,
  id: number,
  out: Output,
  signal: AbortSignal,
): Promise<JobAnswer | null> {
  const giveUpAt = performance.now() + SILENT_MS;
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await api.get<JobAnswer>(`/redrives/${id}`);
    } catch (error) {
      if (!(error instanceof OrderonceError) || error.kind !== 'transient') throw error;
      if (performance.now() > giveUpAt) {
        throw new OrderonceError(error.code, `${error.message}. ${nextStepText(api, id)}`);
      }
      out.progress('The consumer does not answer. It is asked again');
      await pause(backoffMs(failures, LOOKS), signal);
    }
  }
  return null;
}

function nextStepText({ baseUrl }: ConsumerApi, id: number): string {
  return (
    `Redrive ${id} runs on in the deployment. ` +
    `To watch it: orderonce redrives watch ${id} --url ${baseUrl}. ` +
    `To stop it: orderonce redrives stop ${id} --url ${baseUrl}`
  );
}

function report(job: JobAnswer, out: Output): number {
  const { redrive_id, action, state, tried, total, outcomes } = job;
  out.progress('');
  out.data(
    `Redrive ${redrive_id} (${action}) ${state}: ${tried} of ${total} tried, ${outcomesText(outcomes)}`,
    job,
  );
  const hasLeft = isAnyLeft(outcomes);
  if (hasLeft) out.say('Some are left. See why: orderonce dead-letters list --state parked');
  return hasLeft || state === 'stopped' ? EXIT.failed : EXIT.ok;
}
