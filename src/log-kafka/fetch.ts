/** A Fetch request and what its answer says: pure. */
import type { RecordsBatch } from '@platformatic/kafka';
import type { FetchAnswer, FetchLimits, FetchWish, LogSlice } from '../log/event-log.ts';
import type { Request } from './link.ts';
import { type AbortedTransaction, sliceOf } from './records.ts';
import { describeErrorCode, type TopicLayout } from './topic-layout.ts';

export type FetchResponse = {
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly errorCode: number;
      readonly highWatermark: bigint;
      readonly lastStableOffset: bigint;
      readonly abortedTransactions: readonly AbortedTransaction[] | null;
      readonly records?: readonly RecordsBatch[] | null;
    }[];
  }[];
};

const OFFSET_OUT_OF_RANGE = 1;
const READ_COMMITTED = 1;
const BYTES_PER_ANSWER_MAX = 8 << 20;
/** Without a session: each request says all that it wants (KIP-227). */
const NO_SESSION = { id: 0, epoch: -1 };
/** From this version on topics go by their id. */
const BY_ID = 13;

export function fetchRequest(
  topic: string,
  layout: TopicLayout,
  wishes: readonly FetchWish[],
  { waitMs, bytesPerPartition }: FetchLimits,
  graceMs: number,
): Request {
  const partitions = wishes.map(({ partition, offset }) => ({
    partition,
    fetchOffset: BigInt(offset),
    // A broker that has been cut off, and still thinks that it leads, refuses (KIP-320).
    currentLeaderEpoch: layout.partitions[partition]?.epoch ?? -1,
    lastFetchedEpoch: -1,
    partitionMaxBytes: bytesPerPartition,
  }));
  return {
    api: 'Fetch',
    args: (version) => [
      waitMs,
      1,
      BYTES_PER_ANSWER_MAX,
      // Only up to the last stable offset, and with the list of aborted transactions.
      READ_COMMITTED,
      NO_SESSION.id,
      NO_SESSION.epoch,
      [{ topicId: version >= BY_ID ? layout.id : topic, partitions }],
      [],
      '',
    ],
    deadlineMs: waitMs + graceMs,
  };
}

export function readFetchAnswer(
  response: FetchResponse,
  wishes: readonly FetchWish[],
): FetchAnswer {
  const froms = new Map(wishes.map(({ partition, offset }) => [partition, offset]));
  const slices: LogSlice[] = [];
  const served: number[] = [];
  const outOfRange: number[] = [];
  const failed = new Map<number, string>();
  const heldBack = new Map<number, { readonly from: number; readonly to: number }>();
  const answers = response.responses.flatMap((topic) => topic.partitions);
  for (const answer of answers) {
    const { partitionIndex: partition, errorCode } = answer;
    const from = froms.get(partition);
    if (errorCode === OFFSET_OUT_OF_RANGE) outOfRange.push(partition);
    else if (errorCode !== 0) failed.set(partition, describeErrorCode(errorCode));
    if (errorCode !== 0 || from === undefined) continue;
    served.push(partition);
    const slice = sliceOf(partition, from, answer.records ?? [], answer.abortedTransactions ?? []);
    if (slice.next > from) slices.push(slice);
    const [stable, end] = [Number(answer.lastStableOffset), Number(answer.highWatermark)];
    if (from === stable && stable < end) heldBack.set(partition, { from: stable, to: end });
  }
  // A topic that the broker does not know is answered without its partitions.
  const answered = new Set(answers.map(({ partitionIndex }) => partitionIndex));
  for (const { partition } of wishes) {
    if (!answered.has(partition)) failed.set(partition, 'The broker did not answer for it');
  }
  return { slices, served, outOfRange, failed, heldBack, hasMore: false };
}
