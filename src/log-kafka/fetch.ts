/** Builds a Fetch request and interprets its answer. */
import type { RecordsBatch } from '@platformatic/kafka';
import type { FetchAnswer, FetchLimits, FetchWish, LogSlice } from '../log/event-log.ts';
import type { Request } from './link.ts';
import { type AbortedTransaction, sliceOf } from './records.ts';
import { describeErrorCode, type TopicLayout } from './topic-layout.ts';

/** The fields of a Fetch answer that are used. */
export type FetchResponse = {
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly errorCode: number;
      readonly highWatermark: bigint;
      readonly lastStableOffset: bigint;
      /** From version 12 on: where the log of the leader parts from what was read; -1 if nowhere. */
      readonly divergingEpoch?: { readonly epoch: number };
      readonly abortedTransactions: readonly AbortedTransaction[] | null;
      readonly records?: readonly RecordsBatch[] | null;
    }[];
  }[];
};

const OFFSET_OUT_OF_RANGE = 1;
const READ_COMMITTED = 1;
const BYTES_PER_ANSWER_MAX = 8 << 20;
/** No fetch session: each request lists all its partitions (KIP-227). */
const NO_SESSION = { id: 0, epoch: -1 };
/** From this version of the request on, a topic is identified by its id. */
const BY_ID = 13;

/** A wish with the leader epoch of the last batch before its offset; -1 if that is not known. */
export type EpochWish = FetchWish & { readonly lastEpoch: number };

/** @param graceMs time beyond the wait, in ms, after which the broker counts as not answering. */
export function fetchRequest(
  topic: string,
  layout: TopicLayout,
  wishes: readonly EpochWish[],
  { waitMs, bytesPerPartition }: FetchLimits,
  graceMs: number,
): Request {
  const partitions = wishes.map(({ partition, offset, lastEpoch }) => ({
    partition,
    fetchOffset: BigInt(offset),
    // With the epoch, a broker that is no longer the leader refuses the fetch (KIP-320).
    currentLeaderEpoch: layout.partitions[partition]?.epoch ?? -1,
    // With this one, a leader that does not hold what was read before says so. After an unclean
    // election its log may end earlier, and have grown past the offset again (KIP-320).
    lastFetchedEpoch: lastEpoch,
    partitionMaxBytes: bytesPerPartition,
  }));
  return {
    api: 'Fetch',
    args: (version) => [
      waitMs,
      1,
      BYTES_PER_ANSWER_MAX,
      // Returns records up to the last stable offset, and the list of aborted transactions.
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

/** Sorts the answer by partition: slices, and what each of the other partitions reports. */
export function readFetchAnswer(
  response: FetchResponse,
  wishes: readonly FetchWish[],
): FetchAnswer {
  const froms = new Map(wishes.map(({ partition, offset }) => [partition, offset]));
  const slices: LogSlice[] = [];
  const served: number[] = [];
  const outOfRange: number[] = [];
  const diverged: number[] = [];
  const failed = new Map<number, string>();
  const heldBack = new Map<number, { readonly from: number; readonly to: number }>();
  const answers = response.responses.flatMap((topic) => topic.partitions);
  for (const answer of answers) {
    const { partitionIndex: partition, errorCode } = answer;
    const from = froms.get(partition);
    if (errorCode === OFFSET_OUT_OF_RANGE) outOfRange.push(partition);
    else if (errorCode !== 0) failed.set(partition, describeErrorCode(errorCode));
    if (errorCode !== 0 || from === undefined) continue;
    if ((answer.divergingEpoch?.epoch ?? -1) >= 0) {
      diverged.push(partition);
      continue;
    }
    served.push(partition);
    const slice = sliceOf(partition, from, answer.records ?? [], answer.abortedTransactions ?? []);
    if (slice.next > from) slices.push(slice);
    const [stable, end] = [Number(answer.lastStableOffset), Number(answer.highWatermark)];
    if (from === stable && stable < end) heldBack.set(partition, { from: stable, to: end });
  }
  // If the broker does not know the topic, its answer lacks the partitions.
  const answered = new Set(answers.map(({ partitionIndex }) => partitionIndex));
  for (const { partition } of wishes) {
    if (!answered.has(partition)) failed.set(partition, 'The broker did not answer for it');
  }
  return { slices, served, outOfRange, diverged, failed, heldBack, hasMore: false };
}
