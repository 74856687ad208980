/**
 * `orderonce send FILE`: a file of events, one per line, to POST /events/batch. What was accepted
 * has a receipt, for `verify --receipts`; what was rejected stands in a file beside it, with why.
 * Ended in the middle, it goes on there when it is run again: at worst some lines are sent twice,
 * which are duplicates.
 */
import { createReadStream } from 'node:fs';
import { appendFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { OrderonceError, reasonOf } from '../errors.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';

export type SendReport = {
  readonly lines: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Only where some were rejected. */
  readonly rejected_file?: string;
  readonly receipts_file: string;
};

/** Where to send, and what every request carries. */
export type IngestApi = {
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
};

export type SendOptions = {
  readonly file: string;
  /** Of the ingest API. */
  readonly api: IngestApi;
  readonly onProgress: (share: number, report: SendReport) => void;
  /** Told why it waits: the API is away, its log is, or its queue is full. */
  readonly onWait: (reason: string) => void;
  /** Ends it between two batches, or while it waits; the next run goes on there. */
  readonly signal?: AbortSignal;
};

/** How far an earlier run came. */
type Progress = { readonly lines: number; readonly accepted: number; readonly rejected: number };

type Line = { readonly number: number; readonly text: string };
type Result = {
  readonly index: number;
  readonly status: 'accepted' | 'rejected' | 'unknown' | 'refused';
  readonly event_id?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly detail?: unknown;
};

const LINES_PER_BATCH = 1000;
const BYTES_PER_BATCH = 4 << 20;
const BACKOFF = { firstMs: 200, mostMs: 5000 };

/** @throws SETTING_INVALID where the file cannot be read. Waits for the API, however long. */
export async function sendFile(options: SendOptions): Promise<SendReport> {
  const { file, onProgress } = options;
  const { size } = await stat(file).catch((error: unknown) => {
    throw new OrderonceError('SETTING_INVALID', `Cannot read ${file}: ${reasonOf(error)}`);
  });
  let done = await readProgress(file);
  for await (const { lines, bytesRead } of batchesOf(file)) {
    const left = lines.filter(({ number }) => number > done.lines);
    if (left.length > 0) done = await sendBatch(options, left, done);
    onProgress(size === 0 ? 1 : Math.min(1, bytesRead / size), reportOf(file, done));
  }
  await rm(`${file}.progress`, { force: true });
  return reportOf(file, done);
}

function reportOf(file: string, { lines, accepted, rejected }: Progress): SendReport {
  const report = { lines, accepted, rejected, receipts_file: `${file}.receipts` };
  return rejected === 0 ? report : { ...report, rejected_file: `${file}.rejected` };
}

async function* batchesOf(file: string): AsyncGenerator<{ lines: Line[]; bytesRead: number }> {
  let [lines, bytes, bytesRead, number] = [[] as Line[], 0, 0, 0];
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: 1000 })) {
    const length = Buffer.byteLength(text) + 1;
    number++;
    bytesRead += length;
    if (lines.length >= LINES_PER_BATCH || bytes + length > BYTES_PER_BATCH) {
      yield { lines, bytesRead };
      [lines, bytes] = [[], 0];
    }
    if (text.trim() !== '') lines.push({ number, text });
    bytes += length;
  }
  if (lines.length > 0) yield { lines, bytesRead };
}

/** Until each of its lines is accepted or rejected. */
async function sendBatch(
  options: SendOptions,
  lines: readonly Line[],
  before: Progress,
): Promise<Progress> {
  let done = before;
  let rest = lines;
  for (let failures = 0; rest.length > 0; ) {
    if (options.signal?.aborted)
      throw new OrderonceError('API_UNREACHABLE', 'Ended before its end');
    const { results, trouble } = await post(options.api, rest);
    // Behind the first one that is not settled the API has appended nothing: all of that goes again.
    const end = results.findIndex(({ status }) => status === 'unknown' || status === 'refused');
    const settled = end === -1 ? results : results.slice(0, end);
    if (settled.length > 0) {
      done = await keep(options.file, rest, settled, done);
      rest = rest.slice(settled.length);
      failures = 0;
    }
    if (rest.length === 0) break;
    options.onWait(trouble ?? 'The log does not acknowledge');
    await pause(backoffMs(++failures, BACKOFF), options.signal);
  }
  return done;
}

async function post(
  { baseUrl, headers }: IngestApi,
  lines: readonly Line[],
): Promise<{ results: readonly Result[]; trouble: string | null }> {
  try {
    const answer = await fetch(`${baseUrl}/events/batch`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: lines.map(({ text }) => text).join('\n'),
    });
    const { results, detail } = (await answer.json()) as { results?: Result[]; detail?: string };
    if (results !== undefined) return { results, trouble: null };
    return { results: [], trouble: `The API answers ${answer.status}: ${detail}` };
  } catch (error) {
    const { cause } = error as { cause?: { message?: string } };
    return {
      results: [],
      trouble: `No answer at ${baseUrl}: ${cause?.message || reasonOf(error)}`,
    };
  }
}

/** Receipts first, then how far we are: ended in between, some lines are sent again. */
async function keep(
  file: string,
  lines: readonly Line[],
  results: readonly Result[],
  before: Progress,
): Promise<Progress> {
  const receipts: string[] = [];
  const rejects: string[] = [];
  for (const [index, result] of results.entries()) {
    const { event_id, partition, offset, detail } = result;
    const { number, text } = lines[index] as Line;
    if (result.status === 'accepted')
      receipts.push(JSON.stringify({ event_id, partition, offset }));
    else rejects.push(JSON.stringify({ line: number, detail, text }));
  }
  if (receipts.length > 0) await appendFile(`${file}.receipts`, `${receipts.join('\n')}\n`);
  if (rejects.length > 0) await appendFile(`${file}.rejected`, `${rejects.join('\n')}\n`);
  const done: Progress = {
    lines: lines[results.length - 1]?.number ?? before.lines,
    accepted: before.accepted + receipts.length,
    rejected: before.rejected + rejects.length,
  };
  await writeFile(`${file}.progress.new`, JSON.stringify(done));
  await rename(`${file}.progress.new`, `${file}.progress`);
  return done;
}

async function readProgress(file: string): Promise<Progress> {
  const text = await readFile(`${file}.progress`, 'utf8').catch(() => null);
  if (text === null) return { lines: 0, accepted: 0, rejected: 0 };
  try {
    return JSON.parse(text) as Progress;
  } catch {
    const message = `${file}.progress cannot be read; delete it to begin anew (what was sent becomes duplicates)`;
    throw new OrderonceError('SETTING_INVALID', message);
  }
}
