/**
 * The test kit: a team's handlers on a real PostgreSQL, without Kafka and without the services.
 * For node:test, Vitest and Jest alike; docs/testing-handlers.md shows how.
 */
import type { EventDefinition } from '../event/declaration.ts';
import { TestKit } from './kit.ts';
import type { TestKitOptions } from './kit-options.ts';

export type { TestClock } from './clock.ts';
export type { TestEvent, TestEventOf, TestParts } from './events.ts';
export type { HandlerPlace, HandlerSource } from './handler-source.ts';
export type { TestKit } from './kit.ts';
export type { MigrationSource, ProofOptions, TestKitOptions } from './kit-options.ts';
export type {
  DeadLetterInTest,
  Drained,
  EmittedInTest,
  PlaceInTest,
  Proof,
  RedriveInTest,
} from './kit-results.ts';
export { type Difference, ProofError } from './proof-error.ts';

/** Of the test runner's process; package.json asks for less, because the client runs on less. */
const NODE_MIN = 22;

/**
 * Starts a kit: finds or starts the server, and makes a database with our and the team's tables, and
 * the views of the declared types. The events that it sends are typed by the declaration.
 * Close it after the tests, or declare it with `await using`.
 * @throws EMBEDDED_POSTGRES_UNAVAILABLE, DATA_DIR_UNUSABLE; an Error naming the migration that
 * fails, or a Node that is too old.
 */
export async function startTestKit<D extends EventDefinition = EventDefinition>(
  options: TestKitOptions<D>,
): Promise<TestKit<D>> {
  if (Number.parseInt(process.versions.node, 10) < NODE_MIN) {
    throw new Error(
      `The test kit needs Node ${NODE_MIN} or newer; this is ${process.versions.node}. Run the tests ` +
        'through npm ("npm test"): on Linux and Windows it uses the Node 24 that was installed with orderonce',
    );
  }
  return await TestKit.start(options);
}
