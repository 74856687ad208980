/** What the test kit reads: the outbox, what each event ended as, and the tables of the team. */
import type { Queryable } from './queryable.ts';
import { quoted } from './statements.ts';

/** A message that a handler emitted. */
export type OutboxRow = {
  readonly eventId: string;
  readonly handler: string;
  /** Its ordinal number among the messages of this handler for this event, from 0. */
  readonly n: number;
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
};

/** All messages, in the order in which they were emitted. */
export async function listOutbox(db: Queryable): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `SELECT event_id AS "eventId", handler, n, topic, key, value, headers
       FROM orderonce.outbox ORDER BY outbox_id`,
  );
  return rows;
}

/** What an event ended as. */
export type EventOutcome = {
  readonly eventId: string;
  readonly state: 'stored' | 'parked' | 'waiting' | 'discarded';
  /** Why it is a dead letter. */
  readonly message: string | null;
};

export async function listOutcomes(db: Queryable): Promise<EventOutcome[]> {
  const { rows } = await db.query<EventOutcome>(
    `SELECT event_id AS "eventId", 'stored' AS state, NULL AS message
       FROM orderonce.processed_events
     UNION ALL
     SELECT event_id, state, detail ->> 'message' FROM orderonce.dead_letter_claims`,
  );
  return rows;
}

export type TeamColumn = {
  readonly name: string;
  /** The expression of its DEFAULT, `nextval(…)` for an identity column, otherwise null. */
  readonly default: string | null;
  readonly isInKey: boolean;
};

export type TeamTable = {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly TeamColumn[];
};

/**
 * Every table of the database that is not one of ours, by name. Ours are those that a trigger
 * protects from handlers (handler-triggers.sql).
 */
export async function listTeamTables(db: Queryable): Promise<TeamTable[]> {
  const { rows } = await db.query<TeamTable>(
    `SELECT n.nspname AS schema, c.relname AS name,
            coalesce(json_agg(json_build_object(
              'name', a.attname,
              'default', CASE WHEN a.attidentity <> '' THEN 'nextval()'
                              ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
              'isInKey', coalesce(a.attnum = ANY (i.indkey), false)) ORDER BY a.attnum)
              FILTER (WHERE a.attnum IS NOT NULL), '[]') AS columns
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_catalog.pg_attribute a
         ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
       LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                         WHERE t.tgrelid = c.oid AND t.tgname = 'refuse_handlers')
      GROUP BY n.nspname, c.relname ORDER BY n.nspname, c.relname`,
  );
  return rows;
}

/** A sequence that no column takes its values from: only statements do. */
export type TeamSequence = {
  readonly schema: string;
  readonly name: string;
  /** Null before the first nextval(). */
  readonly lastValue: string | null;
};

export async function listTeamSequences(db: Queryable): Promise<TeamSequence[]> {
  const { rows } = await db.query<TeamSequence>(
    `SELECT n.nspname AS schema, c.relname AS name,
            pg_catalog.pg_sequence_last_value(c.oid)::text AS "lastValue"
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                         WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::regclass
                           AND d.refobjsubid > 0)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                         WHERE d.refobjid = c.oid
                           AND d.classid = 'pg_catalog.pg_attrdef'::regclass)
      ORDER BY n.nspname, c.relname`,
  );
  return rows;
}

/** All rows of a table, each value as the text that PostgreSQL writes it as. */
export async function readRows(
  db: Queryable,
  { schema, name }: TeamTable,
  columns: readonly string[],
): Promise<Readonly<Record<string, string | null>>[]> {
  if (columns.length === 0) return [];
  const list = columns.map((column) => `${quoted(column)}::text AS ${quoted(column)}`).join(', ');
  // As an object: in plain texts, `orderonce.` is replaced by the schema (statements.ts).
  const text = `SELECT ${list} FROM ${quoted(schema)}.${quoted(name)}`;
  const { rows } = await db.query({ text });
  return rows;
}
