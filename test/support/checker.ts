/**
 * The checker: given everything that was sent and everything in the log, it decides whether the
 * tables are correct. It shares no code with the product, so that one mistake cannot hide in both.
 *
 * The rules for each event id: the first record takes effect. Within a partition that is the first
 * in the log; if several partitions hold the id, it is the first record of any of them. A record
 * with the same payload is a duplicate, and one with another payload is a conflict. Records that
 * nobody sent as valid events are dead letters.
 */
import type { Queryable } from '../../src/store/queryable.ts';
import type { WireEvent } from './events.ts';

export type LoggedRecord = {
  readonly partition: number;
  readonly offset: number;
  readonly value: Buffer | null;
};

export type Receipt = {
  readonly event: WireEvent;
  readonly partition: number;
  readonly offset: number;
};

export type History = {
  /** Events that were answered 202. */
  readonly accepted: readonly Receipt[];
  /** Ids of events that were answered 422. */
  readonly rejectedIds: readonly string[];
  /** Ids of all valid events that were sent, by HTTP or directly to the topic. */
  readonly validIds: ReadonlySet<string>;
  /** All records of the log, read without code of the product. */
  readonly log: readonly LoggedRecord[];
};

type Outcome = { kind: string; eventId: string | null };

/** @returns a message for each violation; empty if there is none. */
export async function judge(history: History, db: Queryable): Promise<string[]> {
  const outcomes = await readOutcomes(db);
  const records = new Map(history.log.map((record) => [placeOf(record), record]));
  return [
    ...checkReceipts(history, records),
    ...checkAccount(history.log, outcomes),
    ...checkOutcomes(history, outcomes),
    ...(await checkStoredRows(db, records)),
    ...(await checkOrders(db, records)),
    ...(await checkPositions(db, history.log)),
  ];
}

const placeOf = ({ partition, offset }: { partition: number; offset: number }) =>
  `${partition}/${offset}`;

/** A text that is equal for payloads with the same meaning, however they are written. */
function meaningOf(value: Buffer): string {
  const event = JSON.parse(value.toString()) as WireEvent;
  const amount = centsOf(String(event.total_amount));
  const at = Date.parse(event.timestamp);
  const ids = [event.event_id.toLowerCase(), event.order_id.toLowerCase()];
  return JSON.stringify([...ids, event.user_id, String(amount), at]);
}

/** The amount in ten-thousandths, exactly. */
function centsOf(amount: string): bigint {
  const [integer = '', decimals = ''] = amount.split('.');
  return BigInt(integer) * 10_000n + BigInt(decimals.padEnd(4, '0'));
}

function eventOf(record: LoggedRecord | undefined): WireEvent | null {
  try {
    return JSON.parse(record?.value?.toString() ?? '') as WireEvent;
  } catch {
    return null;
  }
}

function checkReceipts(history: History, records: Map<string, LoggedRecord>): string[] {
  const problems: string[] = [];
  for (const receipt of history.accepted) {
    const logged = eventOf(records.get(placeOf(receipt)));
    if (logged?.event_id !== receipt.event.event_id) {
      problems.push(`G1 ${receipt.event.event_id} was accepted at ${placeOf(receipt)}; not there`);
    }
  }
  const rejected = new Set(history.rejectedIds.filter((id) => !history.validIds.has(id)));
  for (const record of history.log) {
    const id = eventOf(record)?.event_id ?? '';
    if (rejected.has(id)) problems.push(`${id} was answered 422 but is in the log`);
  }
  return problems;
}

async function readOutcomes(db: Queryable): Promise<Map<string, Outcome[]>> {
  const { rows } = await db.query(
    `SELECT 'stored' AS kind, log_partition, log_offset, event_id FROM processed_events
     UNION ALL SELECT 'duplicate', log_partition, log_offset, event_id FROM duplicates
     UNION ALL SELECT 'conflict', log_partition, log_offset, event_id FROM conflicts
     UNION ALL SELECT 'dead_letter', log_partition, log_offset, NULL FROM dead_letters`,
  );
  const outcomes = new Map<string, Outcome[]>();
  for (const row of rows) {
    const place = `${row.log_partition}/${row.log_offset}`;
    const list = outcomes.get(place) ?? [];
    list.push({ kind: row.kind, eventId: row.event_id });
    outcomes.set(place, list);
  }
  return outcomes;
}

function checkAccount(log: readonly LoggedRecord[], outcomes: Map<string, Outcome[]>): string[] {
  const problems: string[] = [];
  const places = new Set(log.map(placeOf));
  for (const place of places) {
    const kinds = (outcomes.get(place) ?? []).map(({ kind }) => kind);
    if (kinds.length !== 1) problems.push(`G3 ${place} has outcomes [${kinds}], not one`);
  }
  for (const place of outcomes.keys()) {
    if (!places.has(place)) problems.push(`G3 ${place} has an outcome but is not in the log`);
  }
  return problems;
}

function checkOutcomes(history: History, outcomes: Map<string, Outcome[]>): string[] {
  const problems: string[] = [];
  const isValid = (record: LoggedRecord) => history.validIds.has(eventOf(record)?.event_id ?? '');
  const kindOf = (record: LoggedRecord) => outcomes.get(placeOf(record))?.[0]?.kind;
  for (const record of history.log.filter((record) => !isValid(record))) {
    if (kindOf(record) !== 'dead_letter') {
      problems.push(`G3 garbage at ${placeOf(record)} ended as ${kindOf(record)}`);
    }
  }
  const byId = Map.groupBy(history.log.filter(isValid), (r) => eventOf(r)?.event_id ?? '');
  for (const [id, records] of byId) {
    const stored = records.filter((record) => kindOf(record) === 'stored');
    const [first] = stored;
    if (stored.length !== 1 || first === undefined) {
      problems.push(`G2 ${id} is stored ${stored.length} times`);
      continue;
    }
    const earlier = records.find((r) => r.partition === first.partition && r.offset < first.offset);
    if (earlier !== undefined) problems.push(`G4 ${id}: ${placeOf(earlier)} came first`);
    const meaning = meaningOf(first.value as Buffer);
    for (const record of records.filter((r) => r !== first)) {
      const expected = meaningOf(record.value as Buffer) === meaning ? 'duplicate' : 'conflict';
      if (kindOf(record) !== expected) {
        problems.push(`G4 ${id} at ${placeOf(record)} is ${kindOf(record)}, not ${expected}`);
      }
    }
  }
  return problems;
}

async function checkStoredRows(
  db: Queryable,
  records: Map<string, LoggedRecord>,
): Promise<string[]> {
  const { rows } = await db.query(
    `SELECT event_id, order_id, user_id, total_amount::text, log_partition, log_offset,
            to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS timestamp
       FROM processed_events`,
  );
  return rows
    .filter((row) => {
      const record = records.get(`${row.log_partition}/${row.log_offset}`);
      const stored = meaningOf(Buffer.from(JSON.stringify(row)));
      return record?.value == null || stored !== meaningOf(record.value);
    })
    .map((row) => `G4 ${row.event_id} is stored with another payload than the log's`);
}

async function checkOrders(db: Queryable, records: Map<string, LoggedRecord>): Promise<string[]> {
  const stored = await db.query('SELECT log_partition, log_offset FROM processed_events');
  const events = stored.rows.map((row) => {
    const record = records.get(`${row.log_partition}/${row.log_offset}`);
    return { event: eventOf(record), partition: row.log_partition, offset: Number(row.log_offset) };
  });
  const byOrder = Map.groupBy(events, ({ event }) => event?.order_id ?? '');
  const { rows } = await db.query(
    `SELECT order_id, user_id, event_count, amount_sum::text, total_amount::text, last_event_id
       FROM orders`,
  );
  const problems: string[] = [];
  if (rows.length !== byOrder.size) problems.push(`${rows.length} orders, not ${byOrder.size}`);
  for (const row of rows) {
    const all = byOrder.get(row.order_id) ?? [];
    const sum = all.reduce((total, { event }) => total + centsOf(String(event?.total_amount)), 0n);
    if (Number(row.event_count) !== all.length || centsOf(row.amount_sum) !== sum) {
      problems.push(`G2 order ${row.order_id} counts ${row.event_count} of ${all.length} events`);
    }
    // If an order is in several partitions, the last commit wins, which the log does not show.
    if (new Set(all.map(({ partition }) => partition)).size > 1) continue;
    const last = all.toSorted((a, b) => a.offset - b.offset).at(-1)?.event;
    const isLast =
      row.last_event_id === last?.event_id &&
      row.user_id === last?.user_id &&
      centsOf(row.total_amount) === centsOf(String(last?.total_amount));
    if (!isLast) problems.push(`G5 order ${row.order_id} does not show its last event`);
  }
  return problems;
}

async function checkPositions(db: Queryable, log: readonly LoggedRecord[]): Promise<string[]> {
  const { rows } = await db.query('SELECT log_partition, next_offset FROM consumer_positions');
  const positions = new Map(rows.map((row) => [row.log_partition, Number(row.next_offset)]));
  return [...Map.groupBy(log, ({ partition }) => partition)]
    .map(([partition, records]) => ({
      partition,
      end: Math.max(...records.map(({ offset }) => offset)) + 1,
    }))
    .filter(({ partition, end }) => positions.get(partition) !== end)
    .map(({ partition, end }) => `G7 ${partition} is at ${positions.get(partition)}, not ${end}`);
}
