import { OrderonceError } from '../errors.ts';
import type { FetchWish, LogReader, LogSlice } from './event-log.ts';

const LIMITS = { waitMs: 500, bytesPerPartition: 1 << 20 };
const ATTEMPTS = 20;

/**
 * Reads from an offset that is known to be in the log, such as the record before a position.
 * @returns a slice that begins at the offset and covers at least one offset.
 * @throws LOG_UNAVAILABLE with the reason if the log does not return it within 20 fetches,
 * which take no time while the partition has no leader.
 */
export async function readSlice(
  reader: LogReader,
  topicId: string,
  { partition, offset }: FetchWish,
): Promise<LogSlice> {
  // A fetch may return answers to earlier requests first, so one attempt is not enough.
  let reason = 'the log returns nothing there';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { slices, failed } = await reader.fetch(topicId, [{ partition, offset }], LIMITS);
    const slice = slices.find((s) => s.partition === partition && s.from === offset);
    if (slice !== undefined) return slice;
    reason = failed.get(partition) ?? reason;
  }
  const message = `Offset ${offset} of partition ${partition} cannot be read: ${reason}`;
  throw new OrderonceError('LOG_UNAVAILABLE', message);
}
