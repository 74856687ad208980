/**
 * Membership in the consumer group. The group only decides which process reads which partition; the
 * positions come from PostgreSQL. This uses the classic protocol, because only there the client
 * library has a hook that it awaits before each rejoin.
 */

import type { AssignmentListener } from '../log/event-log.ts';
import { backoffMs, pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import { clientOptions, isProtocolError, type KafkaOptions, kafkaError } from './connection.ts';
import { GroupClient } from './group-client.ts';

export type GroupOptions = KafkaOptions & {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
};

const CHECK_MS = 500;

/** Errors that a retry cannot resolve, by their name in the protocol, and what to do about each. */
const WAYS_OUT: Readonly<Record<string, (groupId: string) => string>> = {
  GROUP_AUTHORIZATION_FAILED: (groupId) =>
    `this user may not use it: grant it READ on the group "${groupId}"`,
  TOPIC_AUTHORIZATION_FAILED: () =>
    'this user may not read the topic: grant it READ and DESCRIBE on the topic',
  INCONSISTENT_GROUP_PROTOCOL: (groupId) =>
    `its members use another protocol than this consumer: stop them (kafka-consumer-groups --describe --group ${groupId} shows them), or set another KAFKA_GROUP_ID`,
  INVALID_GROUP_ID: () => 'the broker does not accept this name: set another KAFKA_GROUP_ID',
  INVALID_SESSION_TIMEOUT: () =>
    "SESSION_TIMEOUT_MS is outside the broker's group.min.session.timeout.ms and group.max.session.timeout.ms: change it",
  GROUP_MAX_SIZE_REACHED: () =>
    "it has as many members as the broker's group.max.size allows: raise that, or stop a member",
};

export class KafkaGroup {
  readonly consumer: GroupClient;
  readonly #topic: string;
  readonly #groupId: string;
  readonly #sessionTimeoutMs: number;
  readonly #stopped = new AbortController();
  #listener: AssignmentListener | undefined;
  #membershipTimer: NodeJS.Timeout | undefined;
  #inactiveChecks = 0;
  #rejoining = false;
  #mustRejoin = false;
  #trouble: string | null = 'The consumer group has not been joined yet';

  constructor(options: GroupOptions) {
    const { sessionTimeoutMs } = options;
    this.#topic = options.topic;
    this.#groupId = options.groupId;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.consumer = new GroupClient({
      ...clientOptions(options),
      // The broker answers JoinGroup only after the other members have joined, within
      // rebalanceTimeout.
      requestTimeout: sessionTimeoutMs + 5000,
      retries: 3,
      groupId: options.groupId,
      autocommit: false,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.max(200, Math.trunc(sessionTimeoutMs / 10)),
      // The client awaits this before every JoinGroup, so batches in flight finish before
      // partitions move. It sends no heartbeats meanwhile, so this must end well before the session
      // expires.
      protocolsMetadata: async () => {
        const revoked = this.#listener?.onRevoke() ?? Promise.resolve();
        await within(sessionTimeoutMs / 3, revoked, () => new Error('late')).catch(() => {});
        return Buffer.alloc(0);
      },
    });
    this.consumer.topics.track(this.#topic);
    this.consumer.on('consumer:group:join', ({ assignments = [] }) => {
      const mine = assignments.find((assignment) => assignment.topic === this.#topic);
      this.#listener?.onAssign([...(mine?.partitions ?? [])].sort((a, b) => a - b));
    });
    // Without a listener this event would end the process. After it the client sends no heartbeats
    // any more; only a new join resumes them.
    this.consumer.on('error', () => void this.rejoin());
  }

  async join(listener: AssignmentListener): Promise<void> {
    this.#listener = listener;
    // The client's commit() rejoins when the group has removed this member. If that fails, no event
    // reports it and heartbeats have stopped, so membership is checked here.
    this.#membershipTimer ??= setInterval(() => this.#checkMembership(), CHECK_MS).unref();
    await this.rejoin();
  }

  /**
   * A member is inactive during a rebalance. If that takes longer than a session, it must rejoin.
   */
  #checkMembership(): void {
    this.#inactiveChecks = this.consumer.isActive() ? 0 : this.#inactiveChecks + 1;
    if (this.#inactiveChecks * CHECK_MS <= this.#sessionTimeoutMs) return;
    this.#inactiveChecks = 0;
    void this.rejoin();
  }

  /** Why this process is not a member at present, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /**
   * Joins again, and retries until it succeeds. This also assigns the partitions added to a topic.
   * @param afterOther if it is joining already, it joins once more afterwards: what it sent may have
   * been read before the change.
   */
  async rejoin({ afterOther = false } = {}): Promise<void> {
    if (this.#rejoining) {
      this.#mustRejoin ||= afterOther;
      return;
    }
    this.#rejoining = true;
    for (let attempt = 1; !this.#stopped.signal.aborted; attempt++) {
      try {
        await this.consumer.joinGroup({});
        this.#trouble = null;
        break;
      } catch (error) {
        this.#trouble = `The consumer group "${this.#groupId}" cannot be joined: ${this.#reason(error)}`;
        await pause(backoffMs(attempt, { firstMs: 100, mostMs: 2000 }), this.#stopped.signal);
      }
    }
    this.#rejoining = false;
    if (!this.#mustRejoin) return;
    this.#mustRejoin = false;
    await this.rejoin();
  }

  #reason(error: unknown): string {
    const known = Object.entries(WAYS_OUT).find(([id]) => isProtocolError(error, id));
    return known?.[1](this.#groupId) ?? kafkaError(error, this.#topic).message;
  }

  /** Commits offsets to Kafka for monitoring only. Never throws. */
  async commitHint(positions: ReadonlyMap<number, number>): Promise<void> {
    const offsets = [...positions].map(([partition, next]) => ({
      topic: this.#topic,
      partition,
      offset: BigInt(next),
      leaderEpoch: -1,
    }));
    if (offsets.length === 0) return;
    await this.consumer.commit({ offsets }).catch(() => {});
  }

  /** Leaves the group, so that the other members take over immediately. */
  async close(deadlineMs: number): Promise<void> {
    this.#listener = undefined;
    clearInterval(this.#membershipTimer);
    this.#stopped.abort();
    const late = () => new Error('late');
    await within(deadlineMs, this.consumer.close(true), late).catch(() => {});
  }
}
