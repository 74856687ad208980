/** The spans of what is done with records: transactions, their phases, handlers, redrives. */
import type { Attributes, Context, Span } from '@opentelemetry/api';
import type { LogRecord, LogSlice } from '../log/event-log.ts';
import { isSampled } from '../log/trace-context.ts';
import { type SampledGroup, sampledGroups } from './sampled-records.ts';
import { ATTRIBUTE } from './semantic-conventions.ts';
import type { Spans } from './spans.ts';
import type { BatchResult, Recorder } from './tracing.ts';

/** The part of the recorder that consumers use. */
export function consumerSpans(
  spans: Spans,
): Pick<Recorder, 'process' | 'phase' | 'handler' | 'redrive'> {
  const { api, options } = spans;
  // Set while records are processed: other transactions have the same phases, but no spans of them.
  const key = api.createContextKey('orderonce.processing');
  const above = api.ROOT_CONTEXT.setValue(key, true);
  const child = async <T>(name: string, attributes: Attributes, work: () => Promise<T>) => {
    const parent = api.context.active();
    if (parent.getValue(key) !== true) return await work();
    return await spans.run(
      spans.begin(name, { kind: api.SpanKind.INTERNAL, attributes, parent }),
      work,
    );
  };
  const database: Attributes = {
    [ATTRIBUTE.dbSystem]: 'postgresql',
    ...(options.database !== undefined && { [ATTRIBUTE.dbNamespace]: options.database }),
  };
  return {
    process: (topic, slices, work) => processSlices(spans, above, { topic, slices, work }),
    phase: (name, work) => {
      const operation = name === 'commit' ? { [ATTRIBUTE.dbOperation]: name.toUpperCase() } : {};
      return child(name, { ...database, ...operation }, work);
    },
    handler: (name, work) => child(`handler ${name}`, { [ATTRIBUTE.handler]: name }, work),
    redrive: async (record, work) => {
      const { trace } = record;
      if (trace === null || !isSampled(trace)) return await work();
      const attributes = placeOf([record]);
      const kind = api.SpanKind.CONSUMER;
      const span = spans.begin('redrive', { kind, attributes, links: [spans.linkTo(trace)] });
      const noting = async () => {
        const result = await work();
        span.setAttribute(ATTRIBUTE.outcome, result.outcome);
        return result;
      };
      return await spans.run(span, noting, above);
    },
  };
}

type Processing<T> = {
  readonly topic: string;
  readonly slices: readonly LogSlice[];
  readonly work: () => Promise<T>;
};

async function processSlices<T extends BatchResult>(
  spans: Spans,
  above: Context,
  { topic, slices, work }: Processing<T>,
): Promise<T> {
  const groups = sampledGroups(recordsOf(slices), ({ trace }) => trace);
  if (groups.length === 0 && !spans.isWanted(null)) return await work();
  const ofTopic = spans.messaging(topic, 'process', 'process');
  const ours = { ...ofTopic, [ATTRIBUTE.group]: spans.options.group };
  const records = slices.reduce((sum, slice) => sum + slice.records.length, 0);
  const [only] = slices;
  const ofPartition = slices.length === 1 ? { [ATTRIBUTE.partition]: String(only?.partition) } : {};
  const span = spans.begin(`process ${topic}`, {
    kind: spans.api.SpanKind.CONSUMER,
    attributes: { ...ours, ...ofPartition, [ATTRIBUTE.count]: records },
    ...spans.among(groups.map(({ context }) => context)),
  });
  const settled = await spans.run(span, work, above);
  tellSenders(spans, { topic, attributes: ours, groups, settled, span });
  return settled;
}

function* recordsOf(slices: readonly LogSlice[]): Generator<LogRecord> {
  for (const { records } of slices) yield* records;
}

type Told = {
  readonly topic: string;
  readonly attributes: Attributes;
  readonly groups: readonly SampledGroup<LogRecord>[];
  readonly settled: BatchResult;
  /** Of the transaction. */
  readonly span: Span;
};

/**
 * Ends the traces of the senders: a span from the arrival in the log to COMMIT, named after the
 * outcome. Records of one request with the same outcome share a span, so that a request with 10,000
 * events does not have 10,000.
 */
function tellSenders(spans: Spans, { topic, attributes, groups, settled, span }: Told): void {
  if (groups.length === 0) return;
  const others = outcomesOf(settled);
  const now = Date.now();
  for (const { context, records } of groups) {
    const done = records.filter(
      ({ offset }) => offset < (settled.next ?? Number.POSITIVE_INFINITY),
    );
    const outcomes = Map.groupBy(done, (record) => others.get(record) ?? 'stored');
    for (const [outcome, same] of outcomes) {
      const arrived = Math.min(...same.map(({ appendedMs }) => appendedMs));
      const told = spans.begin(`${outcome} ${topic}`, {
        kind: spans.api.SpanKind.CONSUMER,
        attributes: { ...attributes, [ATTRIBUTE.outcome]: outcome, ...placeOf(same) },
        parent: spans.below(context),
        links: [{ context: span.spanContext() }],
        // Clocks differ, and a foreign client may have written any number as a record's time.
        startTime: arrived > 0 && arrived < now ? arrived : now,
      });
      told.end(now);
    }
  }
}

/** The outcomes of records that were not stored. */
function outcomesOf({ duplicates, conflicts, deadLetters }: BatchResult): Map<LogRecord, string> {
  const outcomes = new Map<LogRecord, string>();
  for (const { event } of duplicates) outcomes.set(event.record, 'duplicate');
  for (const { event } of conflicts) outcomes.set(event.record, 'conflict');
  for (const { record, state } of deadLetters) outcomes.set(record, state);
  return outcomes;
}

/** Where the only record is, or how many there are. */
function placeOf(records: readonly LogRecord[]): Attributes {
  const [record] = records;
  if (record === undefined || records.length > 1) return { [ATTRIBUTE.count]: records.length };
  const { partition, offset, key } = record;
  return {
    [ATTRIBUTE.partition]: String(partition),
    [ATTRIBUTE.offset]: offset,
    ...(key !== null && { [ATTRIBUTE.key]: key.toString().slice(0, 100) }),
  };
}
