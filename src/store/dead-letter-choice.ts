/** Lists, counts and groups of dead letters: each takes a bounded time, however many there are. */
import { COUNTED_MAX, type Counted, counted } from './capped.ts';
import { type DeadLetterState, LISTED, type ListedDeadLetter } from './dead-letter-queue.ts';
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { UTC } from './utc.ts';

/** Which dead letters; a field that is undefined does not restrict. */
export type DeadLetterChoice = {
  readonly state?: DeadLetterState | undefined;
  readonly reason?: string | undefined;
  /** `none`: those without one. */
  readonly sqlstate?: string | undefined;
  readonly shape?: string | undefined;
  readonly eventId?: string | undefined;
  /** Only of records that decoded, since only these are in their order's queue. */
  readonly orderId?: string | undefined;
  /** A text in ids, reason, SQLSTATE or detail, in any case. */
  readonly q?: string | undefined;
  /** Only those that have not changed since this time: UTC, as UTC() spells it. */
  readonly unchangedSince?: string | undefined;
  /** Only those behind this place in log order, and only those up to that one. */
  readonly from?: LogPlace | null | undefined;
  readonly until?: LogPlace | null | undefined;
};

export type Sort = 'newest' | 'oldest' | 'place';

/** The end of the previous page: its place, and its time if the list is by time. */
export type Behind = { readonly at: string | null; readonly place: LogPlace };

export type DeadLetterPage = DeadLetterChoice & {
  readonly sort: Sort;
  readonly after?: Behind | undefined;
  readonly limit: number;
};

/** `$1` to `$14`; the order of parametersOf(). */
const CHOSEN = `($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR coalesce(sqlstate, 'none') = $3) AND ($4::text IS NULL OR shape = $4)
  AND ($5::uuid IS NULL OR event_id = $5)
  AND ($6::uuid IS NULL OR (order_id = $6 AND digest IS NOT NULL))
  AND ($8::timestamptz IS NULL OR updated_at <= $8)
  AND ($9::int IS NULL OR (log_id, log_partition, log_offset) > ($9, $10::int, $11::bigint))
  AND ($12::int IS NULL OR (log_id, log_partition, log_offset) <= ($12, $13::int, $14::bigint))`;
const FOUND = `($7::text IS NULL OR strpos(lower(concat_ws(' ', event_id, order_id, reason, sqlstate, detail)),
                                           lower($7)) > 0)`;
const PLACE = 'log_id, log_partition, log_offset';
const ORDERS = {
  newest: 'parked_at DESC, log_id DESC, log_partition DESC, log_offset DESC',
  oldest: `parked_at, ${PLACE}`,
  place: PLACE,
} as const;
const BEHIND = {
  newest: `(parked_at, ${PLACE}) < ($15::timestamptz, $16::int, $17::int, $18::bigint)`,
  oldest: `(parked_at, ${PLACE}) > ($15::timestamptz, $16::int, $17::int, $18::bigint)`,
  place: `(${PLACE}) > ($16::int, $17::int, $18::bigint) AND $15::text IS NULL`,
} as const;

function parametersOf(choice: DeadLetterChoice) {
  const { state, reason, sqlstate, shape, eventId, orderId, q, unchangedSince } = choice;
  const given = [state, reason, sqlstate, shape, eventId, orderId, q, unchangedSince];
  const partsOf = (place?: LogPlace | null) => [place?.logId, place?.partition, place?.offset];
  const all = [...given, ...partsOf(choice.from), ...partsOf(choice.until)];
  return all.map((value) => value ?? null);
}

/**
 * A page of the dead letters that match. With `q`, a list by time searches the first COUNTED_MAX that
 * match otherwise; a list by place searches all, since jobs read it.
 */
export async function pageOfDeadLetters(
  db: Queryable,
  page: DeadLetterPage,
): Promise<ListedDeadLetter[]> {
  const { sort, after, limit } = page;
  const order = ORDERS[sort];
  const start = after === undefined ? 'true' : BEHIND[sort];
  const chosen = `SELECT * FROM orderonce.dead_letters WHERE ${CHOSEN} AND ${start} ORDER BY ${order}`;
  // The bound is inside, so that a text that is nowhere is not searched in all.
  const searched =
    page.q === undefined || sort === 'place' ? chosen : `${chosen} LIMIT ${COUNTED_MAX}`;
  const behind =
    after === undefined
      ? []
      : [after.at, after.place.logId, after.place.partition, after.place.offset];
  const { rows } = await db.query<ListedDeadLetter>(
    `SELECT ${LISTED} FROM (${searched}) chosen WHERE ${FOUND} ORDER BY ${order}
      LIMIT $${15 + behind.length}`,
    [...parametersOf(page), ...behind, limit],
  );
  return rows;
}

/** How many match, up to COUNTED_MAX. */
export async function countDeadLetters(db: Queryable, choice: DeadLetterChoice): Promise<Counted> {
  const { rows } = await db.query<{ n: number }>(
    `SELECT count(*) AS n FROM (
       SELECT FROM orderonce.dead_letters WHERE ${CHOSEN} AND ${FOUND} LIMIT ${COUNTED_MAX + 1}) found`,
    parametersOf(choice),
  );
  return counted(rows[0]?.n ?? 0);
}

/** How many match, exactly. It reads all that match: for the plan of a job, not for a page. */
export async function countAllDeadLetters(
  db: Queryable,
  choice: DeadLetterChoice,
): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    `SELECT count(*) AS n FROM orderonce.dead_letters WHERE ${CHOSEN} AND ${FOUND}`,
    parametersOf(choice),
  );
  return rows[0]?.n ?? 0;
}

/** The place of the n-th in log order, from 1; null if there are fewer. It reads all before it. */
export async function placeOfNth(
  db: Queryable,
  choice: DeadLetterChoice,
  n: number,
): Promise<LogPlace | null> {
  const { rows } = await db.query<LogPlace>(
    `SELECT log_id AS "logId", log_partition AS partition, log_offset AS offset
       FROM orderonce.dead_letters WHERE ${CHOSEN} AND ${FOUND}
      ORDER BY ${PLACE} OFFSET $15 LIMIT 1`,
    [...parametersOf(choice), n - 1],
  );
  return rows[0] ?? null;
}

/** Dead letters of one cause. Times are UTC, as events spell them. */
export type DeadLetterGroup = {
  readonly state: DeadLetterState;
  readonly reason: string;
  readonly sqlstate: string | null;
  readonly shape: string;
  readonly count: number;
  readonly oldest: string;
  readonly newest: string;
  /** The place of the first in log order. */
  readonly example: LogPlace;
};

const GROUPS_MAX = 200;

/** The groups of the newest COUNTED_MAX dead letters, the largest first; at most 200. */
export async function groupDeadLetters(
  db: Queryable,
): Promise<{ readonly items: readonly DeadLetterGroup[]; readonly isCapped: boolean }> {
  const { rows } = await db.query<DeadLetterGroup & { all: number }>(
    `SELECT state, reason, sqlstate, shape, count(*) AS count, sum(count(*)) OVER ()::bigint AS all,
            ${UTC('min(parked_at)')} AS oldest, ${UTC('max(parked_at)')} AS newest,
            (SELECT json_build_object('logId', p[1], 'partition', p[2], 'offset', p[3])
               FROM (SELECT min(ARRAY[log_id, log_partition, log_offset]) AS p) f) AS example
       FROM (SELECT state, reason, sqlstate, shape, parked_at, log_id, log_partition, log_offset
               FROM orderonce.dead_letters
              ORDER BY ${ORDERS.newest} LIMIT ${COUNTED_MAX}) newest
      GROUP BY state, reason, sqlstate, shape ORDER BY count DESC, reason, shape LIMIT ${GROUPS_MAX}`,
  );
  return {
    items: rows.map(({ all: _, ...group }) => group),
    isCapped: rows[0]?.all === COUNTED_MAX,
  };
}

/** How many dead letters have a state and a reason, and since when. */
export type ReasonCount = Counted & {
  readonly state: DeadLetterState;
  readonly reason: string;
  readonly oldest: string;
};

const REASONS_MAX = 50;

/**
 * Counts by state and reason, up to COUNTED_MAX each. The index dead_letters_by_reason is asked for
 * one pair after the other, since PostgreSQL would read all rows to find the few distinct ones.
 */
export async function countByReason(db: Queryable): Promise<ReasonCount[]> {
  const { rows } = await db.query<{
    state: DeadLetterState;
    reason: string;
    n: number;
    oldest: string;
  }>(
    `WITH RECURSIVE kinds AS (
       (SELECT state, reason FROM orderonce.dead_letters ORDER BY state, reason LIMIT 1)
       UNION ALL
       SELECT n.state, n.reason FROM kinds k CROSS JOIN LATERAL (
         SELECT d.state, d.reason FROM orderonce.dead_letters d
          WHERE (d.state, d.reason) > (k.state, k.reason) ORDER BY d.state, d.reason LIMIT 1) n)
     SELECT k.state, k.reason,
            (SELECT count(*) FROM (
               SELECT FROM orderonce.dead_letters d WHERE d.state = k.state AND d.reason = k.reason
                LIMIT ${COUNTED_MAX + 1}) c) AS n,
            (SELECT ${UTC('min(d.parked_at)')} FROM orderonce.dead_letters d
              WHERE d.state = k.state AND d.reason = k.reason) AS oldest
       FROM kinds k LIMIT ${REASONS_MAX}`,
  );
  return rows
    .map(({ state, reason, n, oldest }) => ({ state, reason, ...counted(n), oldest }))
    .sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason));
}
