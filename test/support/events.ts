/** Builders of events and log records. A test sets only the fields that matter to it. */

import { randomUUID } from 'node:crypto';
import type { LogRecord, LogSlice } from '../../src/log/event-log.ts';
import { logRecord } from '../../src/log/log-record.ts';

export type WireEvent = {
  event_id: string;
  order_id: string;
  user_id: string;
  total_amount: number | string;
  timestamp: string;
};

export function wireEvent(parts: Partial<WireEvent> = {}): WireEvent {
  return {
    event_id: randomUUID(),
    order_id: randomUUID(),
    user_id: 'user-1',
    total_amount: '10.00',
    timestamp: '2026-01-02T03:04:05Z',
    ...parts,
  };
}

export function recordOf(
  offset: number,
  event: WireEvent | Buffer | string | null,
  partition = 0,
): LogRecord {
  const value =
    event === null || Buffer.isBuffer(event)
      ? event
      : Buffer.from(typeof event === 'string' ? event : JSON.stringify(event));
  const key = event === null || Buffer.isBuffer(event) || typeof event === 'string';
  return logRecord({
    partition,
    offset,
    key: key ? null : Buffer.from(event.order_id),
    value,
    headers: [],
    appendedMs: 1_700_000_000_000 + offset,
  });
}

/** A slice with one record for each event, at dense offsets from `from` on. */
export function sliceOfEvents(
  from: number,
  events: readonly (WireEvent | Buffer | string | null)[],
  partition = 0,
): LogSlice {
  const records = events.map((event, index) => recordOf(from + index, event, partition));
  return { partition, from, next: from + events.length, records, gaps: [], leaderEpoch: 0 };
}
