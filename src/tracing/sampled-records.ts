/** Which of many records belong to traces that are recorded. */
import type { Header, TraceContext } from '../log/event-log.ts';
import { contextIn, isSampled } from '../log/trace-context.ts';

/** The most traces of one append or transaction that are looked at. A span has no more links. */
export const TRACES_MAX = 128;

/** The records of one sampled context, of which a request with many events makes many. */
export type SampledGroup<T> = { readonly context: TraceContext; readonly records: T[] };

/** Groups sampled records by their context, at most TRACES_MAX contexts. */
export function sampledGroups<T>(
  records: Iterable<T>,
  contextOf: (record: T) => TraceContext | null,
): SampledGroup<T>[] {
  const groups = new Map<string, SampledGroup<T>>();
  for (const record of records) {
    const context = contextOf(record);
    if (context === null || !isSampled(context)) continue;
    const group = groups.get(context.traceparent);
    if (group !== undefined) group.records.push(record);
    else if (groups.size < TRACES_MAX)
      groups.set(context.traceparent, { context, records: [record] });
  }
  return [...groups.values()];
}

/** The context in the headers of a record that is about to be appended. */
export function contextToAppend({
  headers = [],
}: {
  readonly headers?: readonly Header[];
}): TraceContext | null {
  // The request id alone, which most records have, is not looked at.
  return headers.length < 2 ? null : contextIn(headers);
}
