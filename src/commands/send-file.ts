/**
 * `orderonce send FILE`: sends a file of events, one per line, to POST /events/batch. The bytes are
 * sent unchanged, so that only the API decides what is valid. A run that was interrupted resumes
 * when it is repeated. At worst it sends some lines twice, and the events become duplicates.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { OrderonceError, reasonOf } from '../errors.ts';
import { EVENT_BYTES_DEFAULT } from '../event/event-rules.ts';
import { type BodyLine, BodyLines } from '../ingest/body-lines.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { type IngestApi, postLines } from './send-batch.ts';
import { type Progress, SendProgress } from './send-progress.ts';

/** What a run has done; the counts include the runs that it resumed. */
export type SendReport = {
  /** Lines of the file that have their verdict, empty ones included. */
  readonly lines: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The rejected lines with the reasons. Absent if there are none. */
  readonly rejected_file?: string;
  readonly receipts_file: string;
};

/** What to send, and whom to tell about it. */
export type SendOptions = {
  /** A path, or "-" for standard input, which cannot be resumed. */
  readonly file: string;
  /** As EVENT_BYTES_MAX of the API. A longer line is sent cut, and rejected. */
  readonly eventBytesMax?: number | undefined;
  readonly api: IngestApi;
  /** @param share the part of the file that has its verdicts, from 0 to 1. */
  readonly onProgress: (share: number, report: SendReport) => void;
  /** Called before each wait: the API or its log does not answer, or its queue is full. */
  readonly onWait: (reason: string) => void;
  /** Ends the run between two batches or during a wait. The next run resumes there. */
  readonly signal?: AbortSignal;
};

const LINES_PER_BATCH = 1000;
const BYTES_PER_BATCH = 4 << 20;
const BACKOFF = { firstMs: 200, mostMs: 5000 };

/**
 * Sends the whole file. While the API does not answer, it waits and retries without a limit.
 * @throws SETTING_INVALID if the file cannot be read, or has changed since the run to be resumed;
 * API_REFUSES if the API would refuse the request each time; API_UNREACHABLE if `signal` aborts.
 */
export async function sendFile(options: SendOptions): Promise<SendReport> {
  const { eventBytesMax = EVENT_BYTES_DEFAULT } = options;
  const isInput = options.file === '-';
  const name = isInput ? 'stdin' : options.file;
  const size = isInput ? 0 : await sizeOf(name);
  const progress = await SendProgress.open(name, !isInput, eventBytesMax);
  const { done: from } = progress;
  const source = isInput ? process.stdin : createReadStream(name, { start: from.bytes });
  for await (const lines of batchesOf(source, from, eventBytesMax)) {
    await sendBatch(options, lines, progress);
    const { done } = progress;
    options.onProgress(size === 0 ? 0 : Math.min(1, done.bytes / size), reportOf(name, done));
  }
  const report = reportOf(name, progress.done);
  await progress.end();
  options.onProgress(1, report);
  return report;
}

async function sizeOf(name: string): Promise<number> {
  const found = await stat(name).catch((error: unknown) => {
    throw new OrderonceError('SETTING_INVALID', `Cannot read ${name}: ${reasonOf(error)}`);
  });
  if (found.isFile()) return found.size;
  const message = `${name} is not a regular file. To send standard input, use "orderonce send -"`;
  throw new OrderonceError('SETTING_INVALID', message);
}

function reportOf(name: string, { lines, accepted, rejected }: Progress): SendReport {
  const report = { lines, accepted, rejected, receipts_file: `${name}.receipts` };
  return rejected === 0 ? report : { ...report, rejected_file: `${name}.rejected` };
}

async function* batchesOf(source: AsyncIterable<Buffer>, from: Progress, bytesMax: number) {
  const cutter = new BodyLines(bytesMax, from);
  let batch: BodyLine[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    for (const line of cutter.push(chunk)) {
      if (batch.length >= LINES_PER_BATCH || bytes + line.bytes.length > BYTES_PER_BATCH) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push(line);
      bytes += line.bytes.length + 1;
    }
  }
  const last = cutter.end();
  if (last !== null) batch.push(last);
  if (batch.length > 0) yield batch;
}

/** Sends these lines, and repeats until each of them is accepted or rejected. */
async function sendBatch(
  { api, signal, onWait }: SendOptions,
  lines: readonly BodyLine[],
  progress: SendProgress,
): Promise<void> {
  let rest = lines;
  for (let failures = 0; rest.length > 0; ) {
    if (signal?.aborted) {
      const message = 'Interrupted before the end of the file. Repeat the command to resume';
      throw new OrderonceError('API_UNREACHABLE', message);
    }
    const { results, trouble } = await postLines(api, rest);
    // Progress is one position in the file. So all lines from the first one without a final verdict
    // are sent again. Some of them may have been appended to other partitions: they are duplicates.
    const end = results.findIndex(({ status }) => status === 'unknown' || status === 'refused');
    const settled = end === -1 ? results : results.slice(0, end);
    if (settled.length > 0) {
      await progress.note(rest, settled);
      rest = rest.slice(settled.length);
      failures = 0;
    }
    if (rest.length === 0) break;
    onWait(trouble ?? 'The log does not acknowledge the events, or the queue of the API is full');
    await pause(backoffMs(++failures, BACKOFF), signal);
  }
}
