/** The table event_types: every version of every declared type, as `migrate` recorded it. */
import { OrderonceError, reasonOf } from '../errors.ts';
import type { JsonSchema } from '../event/declaration.ts';
import type { DeclaredEvents, DeclaredType } from '../event/declared-events.ts';
import { firstBreakingChange } from '../event/schema-changes.ts';
import { replaceTypeView } from './event-views.ts';
import type { Queryable, Transaction } from './queryable.ts';
import { sqlStateOf } from './sqlstate.ts';

/** A version of a type that was recorded. */
export type RecordedType = {
  readonly type: string;
  readonly version: number;
  readonly amount: string;
  readonly schema: JsonSchema | null;
};

/** SQL: what the row of a type says, as a digest; as in migration 0022. */
const DIGEST = (amount: string, schema: string) =>
  `sha256(convert_to(${amount} || ' ' || coalesce(${schema}::text, ''), 'UTF8'))`;

/** How many days ahead `migrate` and consumers create partitions of event_data. */
export const DAYS_AHEAD = 7;

export async function readTypes(db: Queryable): Promise<RecordedType[]> {
  const { rows } = await db.query<RecordedType>(
    `SELECT event_type AS type, event_version AS version, amount, schema
       FROM orderonce.event_types ORDER BY event_type, event_version`,
  );
  return rows;
}

/**
 * Records the declared types and brings their views up to date. Optional fields may be added to a
 * recorded version; any other change needs a new version.
 * @param tx of `migrate`, with the schema as search_path.
 * @returns what was recorded, such as `type order.placed@1`.
 * @throws EVENT_TYPE_CHANGED
 */
export async function recordTypes(tx: Transaction, declared: DeclaredEvents): Promise<string[]> {
  await tx.query(
    `UPDATE orderonce.event_types SET digest = ${DIGEST('amount', 'schema')} WHERE digest IS NULL`,
  );
  const recorded = await readTypes(tx);
  const changed: string[] = [];
  for (const type of declared.types.values()) {
    assertSameAmount(type, recorded);
    const before = recorded.find((r) => r.type === type.name && r.version === type.version);
    if (before !== undefined) assertCompatible(type, before);
    // An older release does not know the fields that a newer one has added. They stay recorded, so
    // that nobody declares them otherwise, and keep their columns.
    if (before !== undefined && firstBreakingChange(before.schema, type.dataSchema) !== null) {
      continue;
    }
    try {
      if (before === undefined || !isSameSchema(before.schema, type.dataSchema)) {
        await writeType(tx, type);
        changed.push(`type ${type.name}@${type.version}`);
      }
      await replaceTypeView(tx, type);
    } catch (error) {
      throw UNFIT.test(sqlStateOf(error) ?? '') ? unfit(type, error) : error;
    }
  }
  await tx.query('SELECT orderonce.create_event_data_days($1)', [DAYS_AHEAD]);
  return changed;
}

/** too_many_columns; untranslatable_character, which is NUL in a schema */
const UNFIT = /^(54011|22P05)$/;

function unfit({ name, version }: DeclaredType, cause: unknown): OrderonceError {
  const message = `PostgreSQL cannot hold the event type ${name}@${version}: ${reasonOf(cause)}`;
  return new OrderonceError('EVENTS_INVALID', message, { cause });
}

/** The recorded versions of types that somebody else than `migrate` has changed. */
export async function findAlteredTypes(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `SELECT event_type || '@' || event_version AS name FROM orderonce.event_types
      WHERE digest <> ${DIGEST('amount', 'schema')} ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function writeType(tx: Transaction, { name, version, amount, dataSchema }: DeclaredType) {
  await tx.query(
    `INSERT INTO orderonce.event_types (event_type, event_version, amount, schema, digest)
     VALUES ($1, $2, $3, $4::jsonb, ${DIGEST('$3', '$4::jsonb')})
     ON CONFLICT (event_type, event_version)
     DO UPDATE SET schema = excluded.schema, digest = excluded.digest`,
    [name, version, amount, dataSchema === null ? null : JSON.stringify(dataSchema)],
  );
}

/**
 * Checks that the declared types are recorded, so that their views exist and no other deployment has
 * declared something else under the same version.
 * @throws NOT_MIGRATED if one is not recorded; EVENT_TYPE_CHANGED if it is recorded otherwise.
 */
export async function assertTypesRecorded(db: Queryable, declared: DeclaredEvents): Promise<void> {
  const recorded = await readTypes(db);
  for (const type of declared.types.values()) {
    assertSameAmount(type, recorded);
    const found = recorded.find((r) => r.type === type.name && r.version === type.version);
    if (found === undefined) {
      const what = `the event type ${type.name}@${type.version}`;
      throw new OrderonceError(
        'NOT_MIGRATED',
        `The database lacks ${what}: run "orderonce migrate"`,
      );
    }
    assertCompatible(type, found);
  }
}

/** Records of the log and parked events of older versions have the amount that they were sent with. */
function assertSameAmount({ name, amount }: DeclaredType, recorded: readonly RecordedType[]): void {
  const other = recorded.find((r) => r.type === name && r.amount !== amount);
  if (other === undefined) return;
  throw new OrderonceError(
    'EVENT_TYPE_CHANGED',
    `The amount of the event type ${name} is "${amount}", but version ${other.version} was recorded with ` +
      `"${other.amount}". It never changes within a type, because events of all versions are read by it. ` +
      'Declare a type with another name',
  );
}

/** During a roll-out the recorded schema may be newer than this release's, or older. */
function assertCompatible(type: DeclaredType, recorded: RecordedType): void {
  const { name, version, dataSchema } = type;
  const forward = firstBreakingChange(recorded.schema, dataSchema);
  const backward = firstBreakingChange(dataSchema, recorded.schema);
  if (forward === null || backward === null) return;
  const next = version + 1;
  throw new OrderonceError(
    'EVENT_TYPE_CHANGED',
    `The event type ${name}@${version} differs from what was recorded (at ${forward}). Only optional fields may be added ` +
      `to a version. Declare version ${next} with upgrade: { ${version}: (old) => … }, which lifts data of version ${version}`,
  );
}

function isSameSchema(a: JsonSchema | null, b: JsonSchema | null): boolean {
  return firstBreakingChange(a, b) === null && firstBreakingChange(b, a) === null;
}
