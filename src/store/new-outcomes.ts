/** Rows of dead letters, conflicts and duplicates that are new: for live displays. */
import type { LogPlace } from './log-place.ts';
import type { Queryable } from './queryable.ts';
import { MILLISECONDS, UTC } from './utc.ts';

/** A record that did not take effect. */
export type OutcomeRow = LogPlace & {
  readonly kind: 'dead_letter' | 'conflict' | 'duplicate';
  readonly eventId: string | null;
  /** The reason of a dead letter; the source of the others, if it is known. */
  readonly about: string | null;
  /** When it was found: in milliseconds since 1970, and in UTC. */
  readonly ms: number;
  readonly at: string;
};

const COLUMNS = (kind: string, time: string, about: string) => `'${kind}' AS kind,
  log_id AS "logId", log_partition AS partition, log_offset AS "offset", event_id AS "eventId",
  ${about} AS about, ${MILLISECONDS(time)} AS ms, ${UTC(time)} AS at`;

/** The time of the database's clock, in milliseconds since 1970. */
export async function readNowMs(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(`SELECT ${MILLISECONDS('now()')} AS ms`);
  return rows[0]?.ms ?? 0;
}

/** The newest of the rows since a time (ms since 1970), at most `limit` of each kind; oldest first. */
export async function readOutcomesSince(
  db: Queryable,
  ms: number,
  limit: number,
): Promise<OutcomeRow[]> {
  const since = 'to_timestamp($1 / 1000.0)';
  // Within a partition, rows appear in the order of their offsets: the ends are read backwards.
  const ofLedger = (table: 'duplicates' | 'conflicts', kind: string) => `(
    SELECT ${COLUMNS(kind, 'seen_at', 'source')} FROM (
      SELECT r.* FROM orderonce.consumer_positions p CROSS JOIN LATERAL (
        SELECT * FROM (
          SELECT * FROM orderonce.${table} t
           WHERE t.log_id = p.log_id AND t.log_partition = p.log_partition
           ORDER BY t.log_offset DESC LIMIT $2) ends
         WHERE ends.seen_at >= ${since}) r) found
     ORDER BY seen_at DESC LIMIT $2)`;
  const { rows } = await db.query<OutcomeRow>(
    `SELECT * FROM (
       (SELECT ${COLUMNS('dead_letter', 'parked_at', 'reason')} FROM orderonce.dead_letters
         WHERE parked_at >= ${since}
         ORDER BY parked_at DESC, log_id DESC, log_partition DESC, log_offset DESC LIMIT $2)
       UNION ALL ${ofLedger('conflicts', 'conflict')}
       UNION ALL ${ofLedger('duplicates', 'duplicate')}) all_kinds
      ORDER BY ms, kind, "logId", partition, "offset"`,
    [ms, limit],
  );
  return rows;
}
