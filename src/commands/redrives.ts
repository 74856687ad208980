/** `orderonce redrives`: the jobs that redrive or discard many dead letters. */
import type { JobAnswer } from '../admin/job-answer.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { jobLine } from './job-text.ts';
import { untilEnd } from './until-end.ts';
import { usageError, wholeNumber } from './values.ts';
import { watchJob } from './watch-job.ts';

const ID_MAX = 999_999_999;
const LIMIT_MAX = 1000;

/**
 * @returns the exit code: that of watchJob() for `watch`, else 0.
 * @throws NOTHING_MATCHES (exit code 4) if there is no such job; CONSUMER_UNREACHABLE
 */
export async function runRedrives({ settings, flags, action, words, out }: Call): Promise<number> {
  const api = new ConsumerApi(settings, flags.url, actorName());
  if (action === 'list') {
    const limit = wholeNumber('--limit', flags.limit, LIMIT_MAX) ?? 20;
    const { items } = await api.get<{ items: readonly JobAnswer[] }>(`/redrives?limit=${limit}`);
    for (const job of items) out.data(jobLine(job), job);
    if (items.length === 0) out.say('There are no redrive jobs');
    return EXIT.ok;
  }
  const [word = ''] = words;
  if (!/^[1-9]\d{0,8}$/.test(word)) {
    throw usageError(`NUMBER must be that of a job, 1 to ${ID_MAX}, not "${word}"`);
  }
  if (action === 'watch') {
    const end = untilEnd(undefined);
    try {
      return await watchJob(api, Number(word), out, end.signal);
    } finally {
      end.stop();
    }
  }
  const job =
    action === 'stop' ? await api.stop(word) : await api.get<JobAnswer>(`/redrives/${word}`);
  out.data(jobLine(job), job);
  return EXIT.ok;
}
