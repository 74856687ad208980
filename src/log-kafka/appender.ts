import { OrderonceError } from '../errors.ts';
import {
  type AppendOutcome,
  type AppendRecord,
  type LogAppender,
  type LogPosition,
  refusalBySize,
} from '../log/event-log.ts';
import { partitionOf } from '../log/partition.ts';
import { pause } from '../runtime/backoff.ts';
import { KafkaCluster } from './cluster.ts';
import type { KafkaOptions } from './connection.ts';
import { describeFailing, failingLeaders } from './leaders.ts';
import { KafkaSender, type ProduceMessage } from './sender.ts';
import { readBatchBytesMax } from './topic-limit.ts';

/** How often the size limit of the topic is read again, because an operator may change it. */
const LIMIT_CHECK_MS = 60_000;
/** The most bytes that a batch of one record needs in addition to that record (KIP-98). */
const OVERHEAD_BYTES = 100;

/** How long appends wait for those under way after the topic has grown, in ms. */
const GROW_MS = 1000;
/** If one was still under way then, the next attempt comes after this, in ms. */
const GROW_AGAIN_MS = 10_000;

/**
 * Appends with acks=all and idempotence. Each partition is a lane, so a partition in trouble does
 * not delay the others. Retries never end, and keep producer id and sequence number, so that the
 * broker drops a batch that it already has (sender.ts).
 */
export class KafkaAppender implements LogAppender {
  readonly topic: string;
  readonly #cluster: KafkaCluster;
  readonly #sender: KafkaSender;
  readonly #isCompressed: boolean;
  /** The last append of each partition. The next one waits for it. */
  readonly #tails = new Map<number, Promise<unknown>>();
  readonly #underWay = new Set<Promise<unknown>>();
  /**
   * The number of partitions by which keys are placed. It grows only while no append is running.
   */
  #partitions: number | undefined;
  /** Set while new appends wait for those under way, so that a larger number can take effect. */
  #growing: Promise<void> | undefined;
  #growAgainAt = Number.NEGATIVE_INFINITY;
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

  /** A check appends nothing, so it cannot prove that the right to append has been granted. */
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
   * Learns the number of partitions. A larger number takes effect only while no append is running:
   * otherwise a later event of an order, in its new partition, could overtake an earlier one that
   * is still being appended to the old partition. New appends wait for that, but not for long: a
   * partition that is not available may hold its append up for hours, and must not hold up others.
   */
  async #place(): Promise<void> {
    this.#partitions ??= (await this.#cluster.layout(Number.POSITIVE_INFINITY)).partitions.length;
    if (!this.#hasGrown || performance.now() < this.#growAgainAt) return;
    this.#growing ??= this.#grow().finally(() => {
      this.#growing = undefined;
    });
    await this.#growing;
  }

  async #grow(): Promise<void> {
    const over = Promise.allSettled(this.#underWay);
    await Promise.race([over, pause(GROW_MS)]);
    if (this.#underWay.size === 0) this.#partitions = this.#cluster.known?.partitions.length;
    else this.#growAgainAt = performance.now() + GROW_AGAIN_MS;
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
   * Sends a batch. If the topic refuses it, each half is sent, and so on until the refused record
   * is alone: the other records are appended.
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
    // The limit is not what we thought: read it again at the next check.
    this.#limitCheckedAt = Number.NEGATIVE_INFINITY;
    return this.#tooLarge('no record of this size');
  }

  #tooLarge(what: string): OrderonceError {
    const message = `Topic "${this.topic}" accepts ${what}: raise its max.message.bytes, or send less`;
    return new OrderonceError('RECORD_TOO_LARGE', message);
  }

  refusalOf(record: AppendRecord): OrderonceError | null {
    const limit = this.#batchBytesMax;
    // The limit is for the compressed size, which is not known here: the broker decides.
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
      if (!named.has(partition))
        troubles.push(`Partition ${partition} accepts no append: ${reason}`);
    }
    if (named.size < layout.partitions.length) return troubles;
    throw this.#unavailable(troubles.join('; '));
  }

  /**
   * If the limit cannot be read (missing rights), only the broker's refusal of a record shows it.
   */
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
    // The codec sends undefined as null.
    value: value ?? undefined,
    headers: new Map(headers.map(([name, content]) => [name as Buffer, content as Buffer])),
  };
}
