import { OrderonceError } from '../errors.ts';
import {
  type AppendOutcome,
  type AppendRecord,
  type LogAppender,
  type LogPosition,
  refusalBySize,
} from '../log/event-log.ts';
import { partitionOf } from '../log/partition.ts';
import { KafkaCluster } from './cluster.ts';
import type { KafkaOptions } from './connection.ts';
import { describeFailing, failingLeaders } from './leaders.ts';
import { KafkaSender, type ProduceMessage } from './sender.ts';
import { readBatchBytesMax } from './topic-limit.ts';

/** How often the topic is asked for its limit, which an operator may change. */
const LIMIT_CHECK_MS = 60_000;
/** What a batch and its record need beside the record's own bytes, at most (KIP-98). */
const OVERHEAD_BYTES = 100;

/**
 * Appends with acks=all and idempotence, a lane for each partition: what holds up one partition
 * holds up no other. Repeats are endless and keep producer id and sequence number, so that the
 * broker drops them (sender.ts).
 */
export class KafkaAppender implements LogAppender {
  readonly topic: string;
  readonly #cluster: KafkaCluster;
  readonly #sender: KafkaSender;
  readonly #isCompressed: boolean;
  /** What is appended to a partition waits for the append before it. */
  readonly #tails = new Map<number, Promise<unknown>>();
  readonly #underWay = new Set<Promise<unknown>>();
  /** The count that keys are placed by: a grown topic's is used once nothing is under way. */
  #partitions: number | undefined;
  #batchBytesMax: number | null = null;
  #limitCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(options: KafkaOptions) {
    this.topic = options.topic;
    this.#cluster = new KafkaCluster(options);
    this.#sender = new KafkaSender(this.#cluster, options.compression);
    this.#isCompressed = (options.compression ?? 'none') !== 'none';
  }

  get lanes(): number {
    return this.#partitions ?? 1;
  }

  laneOf(key: Buffer): number {
    return partitionOf(key, this.lanes);
  }

  /** A check appends nothing, so it cannot show that rights are there. */
  isOverAfterCheck({ code }: OrderonceError): boolean {
    return code !== 'LOG_REFUSES_APPENDS';
  }

  laneTrouble(lane: number): string | null {
    const reason = this.#sender.troubles.get(lane);
    return reason === undefined ? null : `partition ${lane}: ${reason}`;
  }

  async append(records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    await this.#place();
    const appending = this.#appendPlaced(records);
    this.#underWay.add(appending);
    try {
      return await appending;
    } finally {
      this.#underWay.delete(appending);
    }
  }

  /**
   * Learns the number of partitions. One that has grown comes into use between two appends: else
   * an order's later event could overtake an earlier one that lies in another partition.
   */
  async #place(): Promise<void> {
    this.#partitions ??= (await this.#cluster.layout(Number.POSITIVE_INFINITY)).partitions.length;
    while (this.#hasGrown) {
      if (this.#underWay.size === 0) this.#partitions = this.#cluster.known?.partitions.length;
      else await Promise.allSettled(this.#underWay);
    }
  }

  get #hasGrown(): boolean {
    return (this.#cluster.known?.partitions.length ?? 0) > this.lanes;
  }

  async #appendPlaced(records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    const placed = records.map((record, index) => ({ record, index }));
    const groups = Map.groupBy(placed, ({ record }) => this.laneOf(record.key));
    const appends = [...groups].map(async ([partition, group]) => {
      const given = await this.#inTurn(partition, () =>
        this.#appendTo(
          partition,
          group.map(({ record }) => record),
        ),
      );
      group.forEach(({ index }, i) => {
        outcomes[index] = given[i] as AppendOutcome;
      });
    });
    const failed = (await Promise.allSettled(appends)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    return outcomes;
  }

  async #inTurn<T>(partition: number, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(partition) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#tails.set(partition, turn);
    return await turn;
  }

  async #appendTo(partition: number, records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    const refusals = records.map((record) => this.refusalOf(record));
    const taken = records.filter((_, index) => refusals[index] === null);
    const outcomes = await this.#sendAll(
      partition,
      taken.map((record) => messageOf(this.topic, partition, record)),
    );
    let next = 0;
    return refusals.map((refusal) => refusal ?? (outcomes[next++] as AppendOutcome));
  }

  /**
   * Batches that the topic does not take go in halves, until what it refuses stands alone: its
   * neighbours are appended.
   */
  async #sendAll(partition: number, messages: readonly ProduceMessage[]): Promise<AppendOutcome[]> {
    if (messages.length === 0) return [];
    const outcome = await this.#sender.send(partition, messages);
    if (outcome.kind === 'appended') {
      return messages.map((_, i): LogPosition => ({ partition, offset: outcome.baseOffset + i }));
    }
    if (outcome.kind === 'forbidden') {
      throw new OrderonceError('LOG_REFUSES_APPENDS', `Topic "${this.topic}": ${outcome.reason}`);
    }
    if (messages.length === 1) return [this.#refusal(outcome.kind, outcome.reason)];
    const middle = messages.length >> 1;
    const first = await this.#sendAll(partition, messages.slice(0, middle));
    return [...first, ...(await this.#sendAll(partition, messages.slice(middle)))];
  }

  #refusal(kind: 'too_large' | 'refused', reason: string): OrderonceError {
    if (kind === 'refused') {
      const message = `Topic "${this.topic}" refuses the record: ${reason}`;
      return new OrderonceError('RECORD_REFUSED', message);
    }
    // Asked at the next check: the limit is another than we thought.
    this.#limitCheckedAt = Number.NEGATIVE_INFINITY;
    return this.#tooLarge('no record of this size');
  }

  #tooLarge(what: string): OrderonceError {
    const message = `Topic "${this.topic}" takes ${what}: raise its max.message.bytes, or send less`;
    return new OrderonceError('RECORD_TOO_LARGE', message);
  }

  refusalOf(record: AppendRecord): OrderonceError | null {
    const limit = this.#batchBytesMax;
    // What compression makes of it only the broker can tell.
    const topicMax = limit === null || this.#isCompressed ? null : limit - OVERHEAD_BYTES;
    return refusalBySize(record, topicMax, (bytes) => this.#tooLarge(`at most ${bytes} bytes`));
  }

  async check(): Promise<readonly string[]> {
    const layout = await this.#cluster.layout(0);
    const repeated = this.#sender.troubles;
    const failing = await failingLeaders(this.#cluster, layout);
    await this.#learnLimit();
    const troubles = describeFailing(failing);
    const named = new Set([...failing.values()].flatMap(({ partitions }) => partitions));
    for (const [partition, reason] of repeated) {
      if (!named.has(partition)) troubles.push(`Partition ${partition} takes no append: ${reason}`);
    }
    if (named.size < layout.partitions.length) return troubles;
    throw this.#unavailable(troubles.join('; '));
  }

  /** Where rights to describe the topic are missing, the broker's refusal of a record tells. */
  async #learnLimit(): Promise<void> {
    if (performance.now() - this.#limitCheckedAt < LIMIT_CHECK_MS) return;
    this.#limitCheckedAt = performance.now();
    this.#batchBytesMax = await readBatchBytesMax(this.#cluster).catch(() => this.#batchBytesMax);
  }

  #unavailable(reason: string): OrderonceError {
    return new OrderonceError('LOG_UNAVAILABLE', reason);
  }

  async close(_deadlineMs?: number): Promise<void> {
    this.#sender.close();
    this.#cluster.close();
  }
}

function messageOf(topic: string, partition: number, record: AppendRecord): ProduceMessage {
  const { key, value, headers = [] } = record;
  return {
    topic,
    partition,
    key,
    // What is left out is sent as null.
    value: value ?? undefined,
    headers: new Map(headers.map(([name, content]) => [name as Buffer, content as Buffer])),
  };
}
