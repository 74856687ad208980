/** What a run of a proof left in its database, as text that can be compared. */
import type { Queryable } from '../store/queryable.ts';
import {
  type EventOutcome,
  listOutbox,
  listOutcomes,
  listTeamSequences,
  listTeamTables,
  readRows,
  type TeamColumn,
  type TeamSequence,
  type TeamTable,
} from '../store/test-tables.ts';

export type Row = Readonly<Record<string, string | null>>;

export type Table = {
  readonly columns: readonly TeamColumn[];
  readonly rows: readonly Row[];
  /** Why a value of it differs, if that is known. */
  readonly why?: string;
};

export type Snapshot = {
  /** By event id. */
  readonly outcomes: ReadonlyMap<string, EventOutcome>;
  /** By name, with the schema unless that is `public`; `outbox` is the messages of handlers. */
  readonly tables: ReadonlyMap<string, Table>;
};

export const OUTBOX = 'outbox';

/**
 * @param ignore columns to leave out, as `table.column`, or `*.column` for all tables.
 * @throws if a table or column that is to be ignored does not exist.
 */
export async function takeSnapshot(db: Queryable, ignore: readonly string[]): Promise<Snapshot> {
  const ignored = new Set(ignore);
  const known = new Set<string>();
  const isKept = (table: string) => (column: string) => {
    known.add(`${table}.${column}`).add(`*.${column}`);
    return !ignored.has(`${table}.${column}`) && !ignored.has(`*.${column}`);
  };
  const tables = new Map<string, Table>();
  for (const table of await listTeamTables(db)) {
    const name = nameOf(table);
    const keeps = isKept(name);
    const columns = table.columns.filter((column) => keeps(column.name));
    const rows = await readRows(
      db,
      table,
      columns.map((column) => column.name),
    );
    tables.set(name, { columns, rows });
  }
  for (const sequence of await listTeamSequences(db)) {
    const name = nameOf(sequence);
    tables.set(name, sequenceTable(sequence, isKept(name)));
  }
  tables.set(OUTBOX, await outboxTable(db, isKept(OUTBOX)));
  const unknown = ignore.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `ignore: there is no column "${unknown}". Name columns as "table.column" or "*.column"`,
    );
  }
  const outcomes = new Map((await listOutcomes(db)).map((outcome) => [outcome.eventId, outcome]));
  return { outcomes, tables };
}

function nameOf({ schema, name }: Pick<TeamTable, 'schema' | 'name'>): string {
  return schema === 'public' ? name : `${schema}.${name}`;
}

/** As a table of one row. */
function sequenceTable(
  { name, lastValue }: TeamSequence,
  keeps: (column: string) => boolean,
): Table {
  const all: Row = { sequence: name, last_value: lastValue };
  const names = ['sequence', 'last_value'].filter(keeps);
  return {
    columns: names.map((column) => ({
      name: column,
      default: null,
      isInKey: column === 'sequence',
    })),
    rows: [Object.fromEntries(names.map((column) => [column, all[column] ?? null]))],
    why: 'A sequence keeps what a transaction has taken from it, also if that is rolled back',
  };
}

async function outboxTable(db: Queryable, keeps: (column: string) => boolean): Promise<Table> {
  const rows = (await listOutbox(db)).map(({ eventId, handler, n, topic, key, value, headers }) => {
    const all: Row = {
      event_id: eventId,
      handler,
      n: String(n),
      topic,
      key: key.toString(),
      value: value?.toString() ?? null,
      headers: JSON.stringify(headers),
    };
    return Object.fromEntries(Object.entries(all).filter(([column]) => keeps(column)));
  });
  const names = ['event_id', 'handler', 'n', 'topic', 'key', 'value', 'headers'].filter(keeps);
  const inKey = ['event_id', 'handler', 'n'];
  const columns = names.map((name) => ({ name, default: null, isInKey: inKey.includes(name) }));
  return { columns, rows };
}
