/** A batch: which events it holds, its bytes, and what its answer says of each event. */
import { answeredId, type NewEvent, type SentEvent } from './payload.ts';
import { type Answer, jsonOf, type NoAnswer } from './transport.ts';

/**
 * What became of one event. `index` counts the events of the source from 0. `unknown` comes only at
 * the end, in front of the error that says why.
 */
export type Verdict<Event = NewEvent> = {
  readonly index: number;
  readonly event: SentEvent<Event>;
} & (
  | { readonly status: 'accepted'; readonly partition: number; readonly offset: number }
  | { readonly status: 'rejected'; readonly detail: unknown }
  | { readonly status: 'unknown'; readonly mayHaveBeenAccepted: boolean }
);

/** An event of the window. */
export type Entry = {
  readonly index: number;
  readonly event: SentEvent;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** When it was first sent; null before. */
  firstSentAt: number | null;
  mayHaveBeenAccepted: boolean;
  verdict: Verdict | null;
};

const LINE_FEED = 0x0a;

/** The first events that are not settled, as many as a request may hold; at least one. */
export function firstUnsettled(
  window: readonly Entry[],
  batchMax: number,
  bytesMax: number,
): Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (const entry of window) {
    if (entry.verdict !== null) continue;
    bytes += entry.bytes.length + 1;
    const isFull = batch.length >= batchMax || bytes > bytesMax;
    if (isFull && batch.length > 0) break;
    batch.push(entry);
  }
  return batch;
}

export type Result = {
  readonly status: string;
  readonly event_id?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly detail?: unknown;
};

/** @returns null unless the answer has a result for each event, and each is of its event. */
export function resultsOf(
  batch: readonly Entry[],
  answer: Answer | NoAnswer,
): readonly Result[] | null {
  if (answer.status === null) return null;
  const results = jsonOf(answer)?.results;
  if (!Array.isArray(results) || results.length !== batch.length) return null;
  const fits = batch.every(({ event }, i) => {
    const id = (results as Result[])[i]?.event_id;
    return id === undefined || id === answeredId(event);
  });
  return fits ? results : null;
}

export function note(entry: Entry, { status, partition, offset, detail }: Result): void {
  const { index, event } = entry;
  if (status === 'accepted') {
    entry.verdict = { index, event, status, partition: Number(partition), offset: Number(offset) };
  } else if (status === 'rejected') {
    entry.verdict = { index, event, status, detail };
  } else if (status !== 'refused') entry.mayHaveBeenAccepted = true;
}

/** NDJSON: a line for each event. */
export function linesOf(batch: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const size = batch.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  const body = new Uint8Array(size);
  let at = 0;
  for (const { bytes } of batch) {
    body.set(bytes, at);
    body[at + bytes.length] = LINE_FEED;
    at += bytes.length + 1;
  }
  return body;
}
