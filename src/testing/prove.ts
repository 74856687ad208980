import { firstDifference } from './compare.ts';
import { storedId, type TestEvent } from './events.ts';
import type { KitDatabases } from './kit-databases.ts';
import type { ProofOptions } from './kit-options.ts';
import type { Proof } from './kit-results.ts';
import { ProofError } from './proof-error.ts';
import { type ProofPlace, runScenario } from './run-scenario.ts';
import { SCENARIOS, type Scenario, TWO_CONSUMERS, UNDISTURBED, UNDONE } from './scenarios.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { shareOut } from './two-consumers.ts';

/** See TestKit.provesExactlyOnce. */
export async function proveExactlyOnce(
  events: readonly TestEvent[],
  { ignore = [] }: ProofOptions,
  place: ProofPlace,
): Promise<Proof> {
  if (events.length === 0) throw new TypeError('provesExactlyOnce needs at least one event');
  const { databases, rules } = place;
  const ids = events.map(({ event_id: id }) => storedId(id, rules));
  const own = place.database().name;
  const source = await place.reopen(() => copyOf(databases, own));
  const before = await takeSnapshot(place.database().pool, ignore);
  const counted = { faults: 0 };
  // Copied while the run before is under way.
  let next = databases.copy(source);
  const runIn = async (scenario: Scenario) => {
    const name = await next;
    next = databases.copy(source);
    next.catch(() => {});
    return await runScenario({ scenario, events, ignore, counted, place, name });
  };
  try {
    const expected = await runIn(UNDISTURBED);
    assertSomeEffect(expected, ids);
    for (const scenario of SCENARIOS) {
      const difference = firstDifference(expected, await runIn(scenario), ids);
      if (difference !== null) throw new ProofError(difference, scenario.circumstance);
    }
    assertUndone(before, await runIn(UNDONE), ids);
    const hasTwoOrders = shareOut(events).every((share) => share.length > 0);
    if (hasTwoOrders) await assertSerial(runIn, ids);
    await assertUntouched(before, place, ignore);
    const states = ids.map((id) => expected.outcomes.get(id)?.state);
    const stored = states.filter((state) => state === 'stored').length;
    const all = [...SCENARIOS, UNDONE, ...(hasTwoOrders ? [TWO_CONSUMERS] : [])];
    const tried = all.map(({ circumstance }) => circumstance);
    return { stored, deadLetters: states.length - stored, tried, ...counted };
  } finally {
    await next.then((name) => databases.drop(name)).catch(() => {});
    databases.drop(source);
  }
}

/** A copy of the kit's database, which nobody is connected to. */
async function copyOf(databases: KitDatabases, name: string): Promise<string> {
  const strangers = await databases.sessionsIn(name);
  if (strangers.length === 0) return await databases.copy(name);
  const names = [...new Set(strangers)].map((stranger) => `"${stranger}"`).join(', ');
  const what = `Another connection to the kit's database is open (application_name ${names}), and no copy can be made`;
  const hint =
    'If it belongs to a handler: what a handler writes outside `tx` is not undone by a rollback. If it belongs to the test, close it before';
  throw new ProofError({ table: null, what, hint }, '');
}

/** Where nothing takes effect, all runs are the same and prove nothing. */
function assertSomeEffect({ outcomes }: Snapshot, ids: readonly string[]): void {
  if (ids.some((id) => outcomes.get(id)?.state === 'stored')) return;
  const [first] = ids;
  const message = outcomes.get(first as string)?.message;
  const what = `No event takes effect (${first}: ${message ?? 'unknown'})`;
  throw new ProofError({ table: null, what }, UNDISTURBED.circumstance);
}

/** What a handler wrote through `tx` is gone after a rollback; anything else was not in the transaction. */
function assertUndone(before: Snapshot, after: Snapshot, ids: readonly string[]): void {
  const difference = firstDifference(before, after, ids);
  if (difference === null) return;
  const hint = difference.hint ?? 'Nothing may be left: write through `tx` only';
  throw new ProofError({ ...difference, hint }, UNDONE.circumstance);
}

/** Two transactions at the same time must leave what they leave in one sequence or the other. */
async function assertSerial(
  runIn: (scenario: Scenario) => Promise<Snapshot>,
  ids: readonly string[],
): Promise<void> {
  const inTurn = await runIn({ ...TWO_CONSUMERS, consumers: 'first before second' });
  const together = await runIn(TWO_CONSUMERS);
  const difference = firstDifference(inTurn, together, ids);
  if (difference === null) return;
  const reverse = await runIn({ ...TWO_CONSUMERS, consumers: 'second before first' });
  if (firstDifference(reverse, together, ids) === null) return;
  const hint =
    'Between a SELECT and what is written by it, another consumer may commit: write with one statement ' +
    '(UPDATE … SET n = n + 1), or lock what is read (FOR UPDATE, pg_advisory_xact_lock)';
  throw new ProofError({ ...difference, hint }, TWO_CONSUMERS.circumstance);
}

/** The runs have databases of their own: whoever wrote to the kit's database did not use `tx`. */
async function assertUntouched(
  before: Snapshot,
  { database }: ProofPlace,
  ignore: readonly string[],
): Promise<void> {
  const difference = firstDifference(before, await takeSnapshot(database().pool, ignore), []);
  if (difference === null) return;
  const hint =
    'The proof ran in other databases: a handler wrote here through a connection of its own, and not through `tx`';
  throw new ProofError({ ...difference, hint }, "in the kit's own database");
}
