/**
 * Topics that others write have records of another shape: CloudEvents, rows of an outbox, Avro. A
 * team's function decodes each of them before the validator sees it. It is asked wherever a record
 * is read: by the consumer, by a redrive, and by the comparison with the log.
 */
import type { EventRules } from '../event/event-rules.ts';
import { type DecodedBatch, decodeRecords, type InvalidRecord } from './decoded-record.ts';
import type { LogGap, LogRecord, LogSlice } from './event-log.ts';

/** What the function says about a record. */
export type Decoded =
  /** The event as JSON text in UTF-8, which the validator then judges. */
  | { readonly json: Buffer }
  /** The function threw, or returned what is no event. */
  | { readonly failure: string }
  /** The record is no event for this deployment. */
  | 'ignored';

export type DecodeHook = {
  /** The topics whose records are decoded. In all others a record's value is the event. */
  readonly topics: ReadonlySet<string>;
  /** Never throws. It may hang or end the process, because it runs the team's code. */
  readonly decode: (record: LogRecord, topic: string) => Decoded;
};

/** What a deployment accepts as a record: how it is decoded, and what is an event. */
export type RecordRules = EventRules & { readonly decode?: DecodeHook };

/** Whose records they are, and by which rules. */
export type RecordSource = { readonly rules: RecordRules; readonly topic: string };

/** The records of a slice by what they are. Together the lists hold every record. */
export type DecodedTopic = DecodedBatch & { readonly ignored: readonly LogRecord[] };

/** Whether the team's function decodes the records of the topic. */
export function isDecoded({ rules, topic }: RecordSource): boolean {
  return rules.decode?.topics.has(topic) ?? false;
}

/** After a part of this size others get their turn, if decoding has kept them waiting for TURN_MS. */
const PART_BYTES = 256 * 1024;
const PART_RECORDS = 100;
const TURN_MS = 20;

/**
 * The same as decodeTopic for many records. A declared schema may need seconds for the megabytes of a
 * batch, above all to say what is wrong with them; without turns a member of the group would be
 * expelled meanwhile, and the next one would come no further.
 */
export async function decodeInTurns(
  records: readonly LogRecord[],
  source: RecordSource,
): Promise<DecodedTopic> {
  const parts: DecodedTopic[] = [];
  let began = performance.now();
  for (const part of partsOf(records)) {
    parts.push(decodeTopic(part, source));
    if (performance.now() - began < TURN_MS) continue;
    await new Promise(setImmediate);
    began = performance.now();
  }
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return {
    events: parts.flatMap(({ events }) => events),
    invalid: parts.flatMap(({ invalid }) => invalid),
    ignored: parts.flatMap(({ ignored }) => ignored),
  };
}

function* partsOf(records: readonly LogRecord[]): Generator<readonly LogRecord[]> {
  let [from, size] = [0, 0];
  for (const [i, { bytes }] of records.entries()) {
    size += bytes;
    const isFull = size >= PART_BYTES || i + 1 - from >= PART_RECORDS;
    if (!isFull && i + 1 < records.length) continue;
    yield records.slice(from, i + 1);
    [from, size] = [i + 1, 0];
  }
}

/** Decodes records of one partition, and checks each with the validator of the API. */
export function decodeTopic(records: readonly LogRecord[], source: RecordSource): DecodedTopic {
  const { rules, topic } = source;
  if (rules.decode === undefined || !isDecoded(source)) {
    return { ...decodeRecords(records, rules), ignored: [] };
  }
  const invalid: InvalidRecord[] = [];
  const ignored: LogRecord[] = [];
  const values = new Map<LogRecord, Buffer>();
  for (const record of records) {
    const decoded = rules.decode.decode(record, topic);
    if (decoded === 'ignored') ignored.push(record);
    else if ('json' in decoded) values.set(record, decoded.json);
    else invalid.push(undecoded(record, 'decode_failed', decoded.failure));
  }
  const batch = decodeRecords([...values.keys()], rules, (record) => values.get(record) ?? null);
  return { events: batch.events, invalid: [...invalid, ...batch.invalid].sort(byOffset), ignored };
}

/**
 * A slice and its decoded records. A record that is ignored has its outcome too: its offset is a gap
 * with that reason (G3).
 */
export async function decodeSlice(
  slice: LogSlice,
  source: RecordSource,
): Promise<DecodedBatch & { readonly slice: LogSlice }> {
  const { events, invalid, ignored } = await decodeInTurns(slice.records, source);
  if (ignored.length === 0) return { slice, events, invalid };
  const gaps = [...slice.gaps, ...rangesOf(ignored)].sort((a, b) => a.from - b.from);
  return { slice: { ...slice, gaps }, events, invalid };
}

/** The decoded form of a record with which processes die while the function decodes it. */
export function deadlyRecord(record: LogRecord): InvalidRecord {
  const message = 'Processes ended, again and again, while this record was decoded';
  return undecoded(record, 'ends_the_process', message);
}

function undecoded(
  record: LogRecord,
  reason: NonNullable<InvalidRecord['reason']>,
  msg: string,
): InvalidRecord {
  return { record, reason, errors: [{ type: reason, loc: ['record'], msg, input: null }] };
}

/** Consecutive offsets as one gap. */
function rangesOf(records: readonly LogRecord[]): LogGap[] {
  const gaps: LogGap[] = [];
  for (const { offset } of records) {
    const last = gaps.at(-1);
    if (last?.to === offset) gaps[gaps.length - 1] = { ...last, to: offset + 1 };
    else gaps.push({ from: offset, to: offset + 1, reason: 'ignored' });
  }
  return gaps;
}

const byOffset = (a: InvalidRecord, b: InvalidRecord) => a.record.offset - b.record.offset;
