/** What needs an operator, counted over the whole database, for metrics. */
import type { DeadLetterState } from './dead-letter-queue.ts';
import type { Queryable } from './queryable.ts';
import { MILLISECONDS } from './utc.ts';

/** Counting stops at this many dead letters of each state, and at this many held orders. */
export const COUNTED_MAX = 100_000;

/** Dead letters with the same state and reason. */
export type LetterCount = {
  readonly state: DeadLetterState;
  readonly reason: string;
  readonly count: number;
  /** Since the oldest of them became a dead letter. */
  readonly oldestMs: number;
};

export type OperatorFigures = {
  readonly letters: readonly LetterCount[];
  readonly heldOrders: number;
  /** Partitions that wait for an operator's decision, by error code. */
  readonly stopped: readonly { readonly code: string; readonly count: number }[];
  /** Offsets that the log had lost and that an operator accepted as lost, ever. */
  readonly acceptedOffsets: number;
};

/** @param topic of the partitions; the other figures are those of all topics. */
export async function readOperatorFigures(db: Queryable, topic: string): Promise<OperatorFigures> {
  const { rows: letters } = await db.query<LetterCount>(
    `SELECT state, reason, count(*)::int AS count,
            ${MILLISECONDS('clock_timestamp() - min(parked_at)')} AS "oldestMs"
       FROM unnest(ARRAY['parked', 'waiting', 'discarded']) AS s (of_state), LATERAL (
         SELECT state, reason, parked_at FROM orderonce.dead_letters
          WHERE state = of_state LIMIT $1) AS letters
      GROUP BY state, reason`,
    [COUNTED_MAX],
  );
  const { rows } = await db.query<Pick<OperatorFigures, 'heldOrders' | 'acceptedOffsets'>>(
    `SELECT (SELECT count(*) FROM (SELECT FROM orderonce.held_orders LIMIT $1) h)::int
              AS "heldOrders",
            (SELECT coalesce(sum(to_offset - from_offset), 0) FROM orderonce.log_gaps
              WHERE reason = 'accepted')::bigint AS "acceptedOffsets"`,
    [COUNTED_MAX],
  );
  const { rows: stopped } = await db.query<{ code: string; count: number }>(
    `SELECT code, count(*)::int AS count FROM orderonce.position_troubles
      WHERE topic = $1 AND state = 'stopped' GROUP BY code`,
    [topic],
  );
  const [counts] = rows as [Pick<OperatorFigures, 'heldOrders' | 'acceptedOffsets'>];
  return { letters, stopped, ...counts };
}
