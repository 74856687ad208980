/** `orderonce events tail`: what happens now, from the stream of a consumer. */
import { OrderonceError } from '../errors.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { FLAGS } from './flags.ts';
import { jobLine } from './job-text.ts';
import { plain } from './output.ts';
import { overviewLine } from './overview-text.ts';
import { type SseEvent, sseEvents } from './sse-events.ts';
import { untilEnd } from './until-end.ts';
import { usageError } from './values.ts';

const BACKOFF = { firstMs: 500, mostMs: 5000 };

type Outcome = {
  readonly outcome: string;
  readonly place: string;
  readonly event_id: string | null;
  readonly at: string;
  readonly about: string | null;
  readonly skipped: number;
};

/**
 * Prints a line per event until Ctrl-C or --seconds. If the stream is cut, it connects again and
 * resumes behind the last event.
 * @returns exit code 0. @throws CONSUMER_UNREACHABLE if the consumer does not answer at first.
 */
export async function runEvents({ settings, flags, out }: Call): Promise<number> {
  const { only = 'outcome' } = flags;
  const kinds: readonly string[] = FLAGS.only.values;
  if (!kinds.includes(only)) throw usageError(`--only must be ${kinds.join(', ')}, not "${only}"`);
  const api = new ConsumerApi(settings, flags.url);
  const end = untilEnd(flags.seconds);
  let lastId: string | null = null;
  try {
    for (let failures = 0; !end.signal.aborted; ) {
      try {
        const body = await api.stream(`/stream?only=${only}`, lastId, end.signal);
        if (lastId === null && failures === 0)
          out.say(`Shows each ${only} of ${api.baseUrl}. Ctrl-C ends`);
        for await (const event of sseEvents(body)) {
          lastId = event.id ?? lastId;
          failures = 0;
          out.data(lineOf(event), JSON.parse(event.data));
        }
        failures += 1;
      } catch (error) {
        if (end.signal.aborted) break;
        // What was wrong from the beginning will not pass.
        if (lastId === null && failures === 0) throw error;
        if (error instanceof OrderonceError && error.kind !== 'transient') throw error;
        failures += 1;
        out.say(`The stream is cut. It is tried again`);
      }
      await pause(backoffMs(failures, BACKOFF), end.signal);
    }
    return EXIT.ok;
  } finally {
    end.stop();
  }
}

function lineOf({ event, data }: SseEvent): string {
  const value = JSON.parse(data);
  if (event === 'overview') return overviewLine(value);
  if (event === 'redrive') return jobLine(value);
  const { outcome, place, event_id, at, about, skipped } = value as Outcome;
  const more = skipped > 0 ? `\n(${skipped} more in this second)` : '';
  return `${at}  ${outcome}  ${place}  event ${event_id ?? '?'}  ${plain(about ?? '')}${more}`;
}
