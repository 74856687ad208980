import { Admin, Producer } from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import {
  type AppendRecord,
  assertRecordSizes,
  type LogAppender,
  type LogPosition,
} from './event-log.ts';
import {
  clientOptions,
  isProtocolError,
  type KafkaOptions,
  kafkaError,
} from './kafka-connection.ts';
import { partitionOf } from './partition.ts';

const CHECK_MS = 2000;

/**
 * Appends with acks=all and idempotence, set explicitly: the client's default is acks=1.
 *
 * Retries are endless inside one send(), since only there they keep producer id and sequence
 * numbers, so that the broker drops repeats. For the same reason only one send() may be under way:
 * overlapping idempotent sends of this client lose and reorder records after a fault.
 */
export class KafkaAppender implements LogAppender {
  readonly topic: string;
  readonly #producer: Producer;
  readonly #admin: Admin;
  #partitions: number | undefined;

  constructor(options: KafkaOptions) {
    const { topic, compression = 'none' } = options;
    this.topic = topic;
    this.#producer = new Producer({
      ...clientOptions(options),
      idempotent: true,
      acks: -1,
      retries: true,
      compression,
    });
    this.#admin = new Admin({ ...clientOptions(options), retries: 0 });
  }

  async append(records: readonly AppendRecord[]): Promise<LogPosition[]> {
    assertRecordSizes(records);
    try {
      return await this.#send(records, await this.#partitionCount());
    } catch (error) {
      throw kafkaError(error, this.topic);
    }
  }

  async #send(records: readonly AppendRecord[], partitions: number): Promise<LogPosition[]> {
    const placed = records.map((record) => partitionOf(record.key, partitions));
    try {
      const { offsets = [] } = await this.#producer.send({
        messages: records.map(({ key, value, headers = [] }, index) => ({
          topic: this.topic,
          partition: placed[index] as number,
          key,
          // What is left out is sent as null; the client's types do not say that.
          value: (value ?? undefined) as Buffer,
          headers: new Map(headers.map(([name, content]) => [name as Buffer, content as Buffer])),
        })),
      });
      return positionsOf(placed, new Map(offsets.map((o) => [o.partition, Number(o.offset)])));
    } catch (error) {
      if (!isProtocolError(error, 'MESSAGE_TOO_LARGE')) throw error;
      return await this.#sendInHalves(records, partitions);
    }
  }

  /**
   * The topic takes smaller batches than we made (max.message.bytes). Batches of other partitions
   * may lie in the log already and come again: duplicates, which the consumer skips.
   */
  async #sendInHalves(records: readonly AppendRecord[], partitions: number) {
    if (records.length === 1) {
      const message = `Topic "${this.topic}" takes no record of this size: raise its max.message.bytes`;
      throw new OrderonceError('RECORD_TOO_LARGE', message);
    }
    const middle = records.length >> 1;
    const first = await this.#send(records.slice(0, middle), partitions);
    return [...first, ...(await this.#send(records.slice(middle), partitions))];
  }

  /**
   * Cached, and renewed by check(): an append must not wait for metadata, since until send() its
   * records count as withdrawn at their deadline.
   */
  async #partitionCount(): Promise<number> {
    this.#partitions ??= await countPartitions(this.#producer, this.topic);
    return this.#partitions;
  }

  async check(): Promise<void> {
    try {
      const count = await countPartitions(this.#admin, this.topic);
      // The producer must know of new partitions before we name one: send() takes partitions
      // modulo the count that it has in its own metadata.
      if (count !== this.#partitions) {
        this.#partitions = await countPartitions(this.#producer, this.topic);
      }
    } catch (error) {
      throw kafkaError(error, this.topic);
    }
  }

  async close(deadlineMs: number): Promise<void> {
    const closing = Promise.allSettled([this.#producer.close(), this.#admin.close()]);
    await Promise.race([closing, new Promise((done) => setTimeout(done, deadlineMs).unref())]);
  }
}

async function countPartitions(client: Admin | Producer, topic: string): Promise<number> {
  const wish = { topics: [topic], forceUpdate: true, retries: 0 };
  const { topics } = await within(
    CHECK_MS,
    client.metadata(wish),
    () => new OrderonceError('LOG_UNAVAILABLE', `Kafka did not answer within ${CHECK_MS} ms`),
  );
  const count = topics.get(topic)?.partitionsCount ?? 0;
  if (count > 0) return count;
  throw new OrderonceError('LOG_UNAVAILABLE', `Topic "${topic}" has no partitions yet`);
}

/** The answer names each partition's first offset; the rest follow in the order sent. */
function positionsOf(placed: readonly number[], firsts: Map<number, number>): LogPosition[] {
  const nexts = new Map(firsts);
  return placed.map((partition) => {
    const offset = nexts.get(partition);
    if (offset === undefined) {
      throw new OrderonceError('LOG_NOT_ACKNOWLEDGED', `No offset for partition ${partition}`);
    }
    nexts.set(partition, offset + 1);
    return { partition, offset };
  });
}
