/**
 * The relay publishes the messages of the outbox: each at least once, and those of one key in
 * order.
 *
 * Every key belongs to a shard, and a shard belongs to one relay as long as its lease lasts. A
 * relay publishes the unpublished messages of its shards, oldest first, with one append at a time
 * for each topic. It marks them as published once the log has acknowledged them. If the process
 * ends before that, they are published again with the same message id. Topics do not wait for one
 * another: a topic that does not answer delays only its own messages.
 *
 * A relay that was frozen may still have an append in flight after another relay has taken over
 * its lease. Messages can then arrive twice. The first arrival of each id is still in order,
 * because every relay publishes the earlier messages of a key before the later ones.
 */
import { OrderonceError, reasonOf } from '../errors.ts';
import { type AppendOutcome, isRefusal, type LogAppender } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import { OutageLog } from '../runtime/outage-log.ts';
import type { Service } from '../runtime/service.ts';
import {
  deletePublished,
  findPendingTopics,
  findUnpublished,
  markPublished,
  type PendingMessage,
} from '../store/outbox.ts';
import { leaseShards, releaseShards } from '../store/outbox-shards.ts';
import type { Pool } from '../store/pool.ts';
import { inPublish } from '../tracing/tracing.ts';
import type { OutboxMeter } from './outbox-metrics.ts';

/** What a relay needs. */
export type RelayOptions = {
  readonly pool: Pool;
  /** Opens the log of a topic for appending. @throws if the topic does not exist. */
  readonly openLog: (topic: string) => Promise<LogAppender>;
  /** Identifies this relay. No other process may use it, now or later. */
  readonly owner: string;
  /** Published messages are kept for this long and then deleted. */
  readonly retentionHours: number;
  readonly logger: Logger;
  /** Told what happens, for metrics. */
  readonly meter?: OutboxMeter;
  /** Length of a lease on a shard, in milliseconds. Default: 15,000. */
  readonly leaseMs?: number;
};

const LEASE_MS = 15_000;
const IDLE_POLL_MS = 500;
const BATCH_MAX = 500;
/** Between attempts for a topic that cannot be published to. */
const BACKOFF = { firstMs: 200, mostMs: 10_000 };
/** Between attempts while PostgreSQL fails; every topic waits for it, so it is tried more often. */
const DATABASE_BACKOFF = { firstMs: 200, mostMs: 1000 };
const CLEAN_MS = 60_000;
const CLEAN_ROWS = 5000;
const CLOSE_MS = 1000;
/** After this time an append is reported in `troubles`. The client keeps retrying it. */
const ACKNOWLEDGED_MS = 5000;

type Trouble = {
  readonly reason: string;
  readonly failures: number;
  readonly retryAt: number;
  readonly outage: OutageLog;
};

/** One relay. Any number may run, in one process or in many; see the top of this file. */
export class Relay implements Service {
  readonly #options: RelayOptions;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  readonly #logs = new Map<string, LogAppender>();
  /** By topic: when its unacknowledged append began. A topic has one append at a time. */
  readonly #underWay = new Map<string, number>();
  /** Topics that could not be published to, why, and when to try them again. */
  readonly #blocked = new Map<string, Trouble>();
  #databaseTrouble: string | null = null;
  #leasedUntil = 0;
  #cleanAt = 0;
  #cleanTrouble: string | null = null;
  #wake = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Call it when there may be a new message: the relay then looks without waiting for its poll. */
  notify(): void {
    this.#wake.resolve();
  }

  /** Why messages are not being published, one sentence each. Empty if all is well. */
  get troubles(): string[] {
    const ofTopics = [...this.#blocked].map(
      ([topic, { reason }]) => `Outbox: messages cannot be published to "${topic}": ${reason}`,
    );
    const now = performance.now();
    const slow = [...this.#underWay].filter(([, since]) => now - since > ACKNOWLEDGED_MS);
    const ofSlow = slow.map(([topic]) => `Outbox: "${topic}" does not acknowledge messages`);
    const ofDatabase = [this.#databaseTrouble, this.#cleanTrouble].filter((why) => why !== null);
    return [...ofDatabase, ...ofTopics, ...ofSlow];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#turn();
        this.#databaseTrouble = null;
        failures = 0;
        await this.#idle();
      } catch (error) {
        this.#databaseTrouble = `Outbox: ${reasonOf(error)}`;
        await pause(backoffMs(++failures, DATABASE_BACKOFF), signal);
      }
    }
  }

  /** Waits for the end of an append, for notify(), or for the next poll, whichever comes first. */
  async #idle(): Promise<void> {
    const timer = setTimeout(this.#wake.resolve, IDLE_POLL_MS);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers<void>();
  }

  async #turn(): Promise<void> {
    await this.#renewLease();
    const { pool, owner } = this.#options;
    for (const topic of await findPendingTopics(pool)) {
      if (!this.#isFree(topic)) continue;
      const messages = await findUnpublished(pool, owner, topic, BATCH_MAX);
      if (messages.length > 0) void this.#publish(topic, messages);
    }
    await this.#clean();
  }

  #isFree(topic: string): boolean {
    const blockedUntil = this.#blocked.get(topic)?.retryAt ?? 0;
    return !this.#underWay.has(topic) && blockedUntil <= performance.now();
  }

  async #renewLease(): Promise<void> {
    const now = performance.now();
    if (this.#leasedUntil - now > this.#leaseMs / 2) return;
    const isStuck = [...this.#underWay.values()].some((since) => now - since > this.#leaseMs);
    await leaseShards(this.#options.pool, this.#options.owner, this.#leaseMs, isStuck);
    // `now` was read before the query, and the server counts from a later moment. So our copy of
    // the lease ends first, and we never publish under a lease that the server has ended.
    this.#leasedUntil = now + this.#leaseMs;
  }

  /** Never throws. */
  async #publish(topic: string, messages: readonly PendingMessage[]): Promise<void> {
    // This process may have been frozen since it read the messages. If the lease has run out,
    // another relay may be publishing them.
    if (performance.now() > this.#leasedUntil || this.#stopping.signal.aborted) return;
    this.#underWay.set(topic, performance.now());
    try {
      const log = await this.#logOf(topic);
      await this.#append(log, topic, messages);
      this.#blocked.get(topic)?.outage.over();
      this.#blocked.delete(topic);
    } catch (error) {
      this.#block(topic, error);
    } finally {
      this.#underWay.delete(topic);
      this.notify();
    }
  }

  /**
   * Appends the messages before the first one that the log refuses. The later ones wait, because
   * they may have the same key as the refused one.
   * @throws the reason for the refusal, after the published messages have been marked.
   */
  async #append(
    log: LogAppender,
    topic: string,
    messages: readonly PendingMessage[],
  ): Promise<void> {
    const refusals = messages.map(({ record }) => log.refusalOf(record));
    const at = refusals.findIndex((refusal) => refusal !== null);
    const sent = at === -1 ? messages : messages.slice(0, at);
    const records = sent.map(({ record }) => record);
    const outcomes = await inPublish(log.topic, records, (given) => log.append(given));
    const published = sent.flatMap((message, i) => {
      const position = outcomes[i] as AppendOutcome;
      return isRefusal(position) ? [] : [{ message, position }];
    });
    await markPublished(
      this.#options.pool,
      published.map(({ message }) => message),
      published.map(({ position }) => position),
    );
    this.#options.meter?.published(topic, published.length);
    const refusal = refusals[at] ?? outcomes.find(isRefusal);
    if (refusal !== undefined && refusal !== null) throw refusal;
  }

  async #logOf(topic: string): Promise<LogAppender> {
    const log = this.#logs.get(topic) ?? (await this.#options.openLog(topic));
    this.#logs.set(topic, log);
    // A log that was opened during stop() is not among those that stop() closes.
    if (this.#stopping.signal.aborted) await log.close(CLOSE_MS);
    return log;
  }

  #block(topic: string, error: unknown): void {
    this.#options.meter?.failed(topic);
    const before = this.#blocked.get(topic);
    const failures = (before?.failures ?? 0) + 1;
    const code = error instanceof OrderonceError ? `${error.code}: ` : '';
    const reason = `${code}${reasonOf(error)}`;
    const retryAt = performance.now() + backoffMs(failures, BACKOFF);
    const outage = before?.outage ?? this.#outageOf(topic);
    this.#blocked.set(topic, { reason, failures, retryAt, outage });
    outage.failed(reason);
  }

  #outageOf(topic: string): OutageLog {
    return new OutageLog(this.#options.logger, {
      failed: 'Outbox: publishing failed, will retry',
      over: 'Outbox: publishing resumed',
      fields: { topic },
    });
  }

  async #clean(): Promise<void> {
    if (performance.now() < this.#cleanAt) return;
    const { pool, retentionHours } = this.#options;
    try {
      const deleted = await deletePublished(pool, retentionHours, CLEAN_ROWS);
      this.#cleanTrouble = null;
      if (deleted === CLEAN_ROWS) return;
    } catch (error) {
      this.#cleanTrouble = `Outbox: published messages cannot be deleted: ${reasonOf(error)}`;
    }
    this.#cleanAt = performance.now() + CLEAN_MS;
  }

  /**
   * Waits for the appends in flight, but ends within about 3 s whatever hangs. Messages that could
   * not be marked as published are published again after the next start.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.resolve();
    const late = () => new Error('late');
    await within(CLOSE_MS, this.#ended(), late).catch(() => {});
    const { pool, owner } = this.#options;
    await within(CLOSE_MS, releaseShards(pool, owner), late).catch(() => {});
    await Promise.all([...this.#logs.values()].map((log) => log.close(CLOSE_MS)));
  }

  async #ended(): Promise<void> {
    await this.#running;
    while (this.#underWay.size > 0) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}
