/**
 * The test kit: a team's handlers on a real PostgreSQL, without Kafka and without the services.
 * For node:test, Vitest and Jest alike; docs/testing-handlers.md shows how.
 */
import type { EventDefinition } from '../event/declaration.ts';
import { TestKit } from './kit.ts';
import type { TestKitOptions } from './kit-options.ts';

export type { TestClock } from './clock.ts';
export type { Drained } from './drain.ts';
export type { TestEvent, TestEventOf, TestParts } from './events.ts';
export type { HandlerPlace, HandlerSource } from './handler-source.ts';
export type { TestKit } from './kit.ts';
export type { EmittedInTest, TestKitOptions } from './kit-options.ts';
export type { MigrationSource } from './migrations.ts';
export { type Difference, ProofError } from './proof-error.ts';
export type { Proof, ProofOptions } from './prove.ts';

/**
 * Starts a kit: finds or starts the server, and makes a database with our and the team's tables, and
 * the views of the declared types. The events that it sends are typed by the declaration.
 * Close it after the tests, or declare it with `await using`.
 * @throws EMBEDDED_POSTGRES_UNAVAILABLE, DATA_DIR_UNUSABLE; an Error naming the migration that fails.
 */
export async function startTestKit<D extends EventDefinition = EventDefinition>(
  options: TestKitOptions<D>,
): Promise<TestKit<D>> {
  return await TestKit.start(options);
}
