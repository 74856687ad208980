/**
 * The consumers of a process, one for each topic. They share the connections, the guard against mass
 * parking and the turns, but each has a group of its own: a topic in trouble does not hold up the
 * others. With one topic, nothing names the topic.
 */
import type { Consumer, PartitionStatus } from './consumer.ts';

/** The caller must call start() once, and then stop(). */
export class Consumers {
  readonly #consumers: readonly Consumer[];

  constructor(consumers: readonly Consumer[]) {
    this.#consumers = consumers;
  }

  get #hasSeveral(): boolean {
    return this.#consumers.length > 1;
  }

  /** Joins all groups. Resolves when all have been joined; each is retried without a limit. */
  async start(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.start()));
  }

  /** Everything that holds up processing, in words; empty if nothing does. */
  get troubles(): string[] {
    return this.#consumers.flatMap(({ topic, troubles }) =>
      this.#hasSeveral ? troubles.map((trouble) => `Topic "${topic}": ${trouble}`) : troubles,
    );
  }

  /** Whether the log answers for every topic. */
  get isLogUp(): boolean {
    return this.#consumers.every((consumer) => consumer.isLogUp);
  }

  /** Whether at least one partition is processed. `troubles` then concern the others. */
  get isAnyAtWork(): boolean {
    return this.#consumers.some((consumer) => consumer.isAnyAtWork);
  }

  get partitions(): PartitionStatus[] {
    return this.#consumers.flatMap(({ topic, partitions }) =>
      this.#hasSeveral ? partitions.map((partition) => ({ topic, ...partition })) : partitions,
    );
  }

  /** Stops all at the same time. Resolves within `deadlineMs` in any case. */
  async stop(deadlineMs: number): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.stop(deadlineMs)));
  }
}
