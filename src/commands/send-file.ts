/**
 * `orderonce send FILE`: a file of events, one per line, to POST /events/batch, as the bytes that it
 * holds: what is not valid is for the API to refuse. A run that was stopped resumes there when it is
 * repeated: at worst some lines are sent twice, which are duplicates.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { OrderonceError, reasonOf } from '../errors.ts';
import { EVENT_BYTES_MAX } from '../event/parse-event.ts';
import { type BodyLine, BodyLines } from '../ingest/body-lines.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { type IngestApi, postLines } from './send-batch.ts';
import { type Progress, SendProgress } from './send-progress.ts';

export type SendReport = {
  readonly lines: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Only where some were rejected. */
  readonly rejected_file?: string;
  readonly receipts_file: string;
};

export type SendOptions = {
  /** A path, or "-" for standard input, which cannot be resumed. */
  readonly file: string;
  /** Of the ingest API. */
  readonly api: IngestApi;
  /** @param share of the file that has its verdicts, from 0 to 1. */
  readonly onProgress: (share: number, report: SendReport) => void;
  /** Told why it waits: the API is away, its log is, or its queue is full. */
  readonly onWait: (reason: string) => void;
  /** Ends it between two batches, or while it waits; the next run resumes there. */
  readonly signal?: AbortSignal;
};

const LINES_PER_BATCH = 1000;
const BYTES_PER_BATCH = 4 << 20;
const BACKOFF = { firstMs: 200, mostMs: 5000 };

/**
 * Waits for the API, however long.
 * @throws SETTING_INVALID where the file cannot be read, or is not the one that an earlier run began
 * with. API_REFUSES where the API would refuse each time.
 */
export async function sendFile(options: SendOptions): Promise<SendReport> {
  const isInput = options.file === '-';
  const name = isInput ? 'stdin' : options.file;
  const size = isInput ? 0 : await sizeOf(name);
  const progress = await SendProgress.open(name, !isInput);
  const { done: from } = progress;
  const source = isInput ? process.stdin : createReadStream(name, { start: from.bytes });
  for await (const lines of batchesOf(source, from)) {
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
  const message = `${name} is no regular file; "orderonce send -" reads standard input`;
  throw new OrderonceError('SETTING_INVALID', message);
}

function reportOf(name: string, { lines, accepted, rejected }: Progress): SendReport {
  const report = { lines, accepted, rejected, receipts_file: `${name}.receipts` };
  return rejected === 0 ? report : { ...report, rejected_file: `${name}.rejected` };
}

async function* batchesOf(source: AsyncIterable<Buffer>, from: Progress) {
  const cutter = new BodyLines(EVENT_BYTES_MAX, from);
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

/** Until each of its lines is accepted or rejected. */
async function sendBatch(
  { api, signal, onWait }: SendOptions,
  lines: readonly BodyLine[],
  progress: SendProgress,
): Promise<void> {
  let rest = lines;
  for (let failures = 0; rest.length > 0; ) {
    if (signal?.aborted) throw new OrderonceError('API_UNREACHABLE', 'Ended before its end');
    const { results, trouble } = await postLines(api, rest);
    // Behind the first one that is not settled the API has appended nothing: all of that goes again.
    const end = results.findIndex(({ status }) => status === 'unknown' || status === 'refused');
    const settled = end === -1 ? results : results.slice(0, end);
    if (settled.length > 0) {
      await progress.note(rest, settled);
      rest = rest.slice(settled.length);
      failures = 0;
    }
    if (rest.length === 0) break;
    onWait(trouble ?? 'The log does not acknowledge');
    await pause(backoffMs(++failures, BACKOFF), signal);
  }
}
