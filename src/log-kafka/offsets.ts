import { OrderonceError, reasonOf } from '../errors.ts';
import type { LogBounds } from '../log/event-log.ts';
import type { KafkaCluster } from './cluster.ts';
import { describeErrorCode, type TopicLayout } from './topic-layout.ts';

const ANSWER_MS = 2000;
const EARLIEST = -2n;
const LATEST = -1n;
const READ_UNCOMMITTED = 0;

type ListOffsetsAnswer = {
  readonly topics: readonly {
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly errorCode: number;
      readonly offset: bigint;
    }[];
  }[];
};

/**
 * Asks the leaders of the partitions where each partition begins and ends.
 *
 * @returns the bounds of those partitions whose leader answers.
 * @throws LOG_UNAVAILABLE with the reason if no leader answers.
 */
export async function listOffsets(
  cluster: KafkaCluster,
  layout: TopicLayout,
  partitions: readonly number[],
): Promise<Map<number, LogBounds>> {
  const bounds = new Map<number, LogBounds>();
  let reason = 'No broker leads the partitions now';
  const byLeader = Map.groupBy(partitions, (p) => layout.partitions[p]?.leader ?? null);
  const asked = [...byLeader].map(async ([leader, ofLeader]) => {
    if (leader === null) return;
    try {
      const ask = (timestamp: bigint) => askLeader(cluster, leader, layout, ofLeader, timestamp);
      const [starts, ends] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
      for (const partition of ofLeader) {
        const [start, end] = [starts.get(partition), ends.get(partition)];
        if (typeof start === 'number' && typeof end === 'number') {
          bounds.set(partition, { start, end });
        } else reason = `Partition ${partition}: ${start ?? end ?? 'the broker did not answer'}`;
      }
    } catch (error) {
      reason = reasonOf(error);
    }
  });
  await Promise.all(asked);
  if (bounds.size < partitions.length) cluster.refresh().catch(() => {});
  if (bounds.size > 0 || partitions.length === 0) return bounds;
  throw new OrderonceError('LOG_UNAVAILABLE', reason);
}

/** @returns by partition, the offset, or as text why there is none. */
async function askLeader(
  cluster: KafkaCluster,
  leader: number,
  layout: TopicLayout,
  partitions: readonly number[],
  timestamp: bigint,
): Promise<Map<number, number | string>> {
  const wishes = partitions.map((partitionIndex) => ({
    partitionIndex,
    currentLeaderEpoch: layout.partitions[partitionIndex]?.epoch ?? -1,
    timestamp,
  }));
  const { topics } = await cluster.call<ListOffsetsAnswer>(leader, 'offsets', {
    api: 'ListOffsets',
    args: () => [-1, READ_UNCOMMITTED, [{ name: cluster.topic, partitions: wishes }]],
    deadlineMs: ANSWER_MS,
  });
  return new Map(
    topics
      .flatMap((topic) => topic.partitions)
      .map(({ partitionIndex, errorCode, offset }) => [
        partitionIndex,
        errorCode === 0 ? Number(offset) : describeErrorCode(errorCode),
      ]),
  );
}
