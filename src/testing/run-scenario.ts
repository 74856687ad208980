import { reasonOf } from '../errors.ts';
import type { EventRules } from '../event/event-rules.ts';
import type { Handler } from '../handlers/handler.ts';
import type { BatchContext } from '../inbox/batch.ts';
import type { Pool } from '../store/pool.ts';
import { disturb, type FaultRule } from '../store/test-faults.ts';
import { type DrainOptions, drain } from './drain.ts';
import { bytesOf, msOf, type TestEvent } from './events.ts';
import { type HandlerSource, makeHandlers } from './handler-source.ts';
import type { KitDatabase, KitDatabases } from './kit-databases.ts';
import { MemoryLog } from './memory-log.ts';
import { ProofError } from './proof-error.ts';
import { endBeforeCommit, type Scenario } from './scenarios.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { type Consume, overlap, shareOut } from './two-consumers.ts';
import { watched } from './watched-handlers.ts';

/** What a proof needs of its kit. */
export type ProofPlace = {
  readonly databases: KitDatabases;
  readonly source: HandlerSource;
  readonly rules: EventRules;
  /** The kit's own database, with its pool of the moment. */
  database(): KitDatabase;
  /** Runs `work` while the kit has no connection to its database. */
  reopen<T>(work: () => Promise<T>): Promise<T>;
  context(of: { pool: Pool; handlers: readonly Handler[]; attemptsMax: number }): BatchContext;
  /** The offset of the first event. */
  readonly start: number;
};

/** Injected failures must not add up to a verdict on an event. */
const ATTEMPTS_MAX = 10_000;
/** Failures in a row that were not injected: then the events never take effect. */
const FAILURES_MAX = 20;

/** One run of a proof. */
export type Run = {
  readonly scenario: Scenario;
  readonly events: readonly TestEvent[];
  readonly ignore: readonly string[];
  readonly counted: { faults: number };
  readonly place: ProofPlace;
  /** Of its database. */
  readonly name: string;
};

/** Processes the events as the scenario says, in a database that is dropped afterwards. */
export async function runScenario(given: Run): Promise<Snapshot> {
  const { scenario, ignore, place, name } = given;
  const { databases } = place;
  const database = databases.open(name);
  const findings: string[] = [];
  const make = async () => {
    const handlers = await makeHandlers(place.source, { databaseUrl: database.url });
    return watched(handlers, (finding) => findings.push(finding));
  };
  try {
    await processAll(given, database, make);
    const [swallowed] = findings;
    if (swallowed !== undefined) throw new ProofError(swallowing(swallowed), scenario.circumstance);
    await assertChecks(await make(), database.pool, scenario);
    return await takeSnapshot(database.pool, ignore);
  } catch (error) {
    if (error instanceof ProofError || error instanceof TypeError) throw error;
    const [swallowed] = findings;
    const difference =
      swallowed === undefined ? { table: null, what: reasonOf(error) } : swallowing(swallowed);
    throw new ProofError(difference, scenario.circumstance);
  } finally {
    await database.pool.end();
    databases.drop(name);
  }
}

function swallowing(what: string) {
  const hint =
    'The whole batch is lost after an SQL error, also if it is caught. Let the error pass, or run a statement that may fail in tx.savepoint()';
  return { table: null, what, hint };
}

async function processAll(
  { scenario, events, counted, place, name }: Run,
  database: KitDatabase,
  make: () => Promise<Handler[]>,
): Promise<void> {
  const { batches, faults, consumers, hasDuplicates = false } = scenario;
  const { hasRestart = false, isUndone = false } = scenario;
  const log = logOf(events, place, hasDuplicates);
  const positions = database.pool;
  const injected = () => counted.faults;
  const limits = { failuresMax: FAILURES_MAX, injected, positions, ...(batches && { batches }) };
  const pass = async (of: MemoryLog, rule?: FaultRule, options: Partial<DrainOptions> = {}) => {
    const { pool } = place.databases.open(name);
    if (rule !== undefined) {
      disturb(pool, (statement) => {
        const fault = rule(statement);
        if (fault !== null && !(fault instanceof Promise)) counted.faults++;
        return fault;
      });
    }
    const context = place.context({ pool, handlers: await make(), attemptsMax: ATTEMPTS_MAX });
    try {
      await drain(context, of, { ...limits, ...options });
    } finally {
      await pool.end();
    }
  };
  if (consumers !== undefined) {
    const [ofFirst, ofSecond] = shareOut(events);
    const logs = [
      logOf(ofFirst, place, false),
      logOf(ofSecond, { ...place, start: 0 }, false, 1),
    ] as const;
    const [first, second] = logs.map(
      (of): Consume =>
        (rule) =>
          pass(of, rule),
    ) as [Consume, Consume];
    if (consumers === 'at the same time') {
      return await overlap(first, second, () => place.databases.isAnyBlocked(name));
    }
    const inTurn = consumers === 'first before second' ? [first, second] : [second, first];
    for (const consume of inTurn) await consume();
    return;
  }
  if (hasRestart) await pass(log, undefined, { until: place.start + Math.ceil(events.length / 2) });
  if (hasRestart || isUndone) {
    // It ends before COMMIT: what it did in memory is gone, and so is the transaction.
    await pass(log, endBeforeCommit(), { failuresMax: 0, injected: () => 0 }).catch(() => {});
  }
  if (!isUndone) await pass(log, faults?.());
}

function logOf(
  events: readonly TestEvent[],
  { start, rules }: ProofPlace,
  hasDuplicates: boolean,
  partition = 0,
): MemoryLog {
  const log = new MemoryLog(start, partition);
  const append = (event: TestEvent | undefined) => {
    if (event === undefined) return;
    const appendedMs = msOf(event, rules);
    log.append({ key: event.order_id, value: bytesOf(event, rules), appendedMs });
  };
  events.forEach((event, index) => {
    append(event);
    if (!hasDuplicates) return;
    append(event);
    append(events[index - 1]);
  });
  return log;
}

async function assertChecks(
  handlers: readonly Handler[],
  pool: Pool,
  { circumstance }: Scenario,
): Promise<void> {
  for (const { name, check } of handlers) {
    const query = async (text: string, values: readonly unknown[] = []) => {
      const { rows, rowCount } = await pool.query({ text, values: [...values] } as never);
      return { rows, rowCount: rowCount ?? 0 };
    };
    const [finding] = (await check?.({ query })) ?? [];
    if (finding === undefined) continue;
    const what = `The check of handler "${name}" finds: ${finding},`;
    throw new ProofError({ table: null, what }, circumstance);
  }
}
