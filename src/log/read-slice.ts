import { OrderonceError } from '../errors.ts';
import type { FetchWish, LogReader, LogSlice } from './event-log.ts';

const LIMITS = { waitMs: 500, bytesPerPartition: 1 << 20 };
const ATTEMPTS = 20;

/**
 * What lies in the log from an offset on that is known to be there; at least one offset of it.
 * @throws LOG_UNAVAILABLE where it does not come.
 */
export async function readSlice(
  reader: LogReader,
  topicId: string,
  { partition, offset }: FetchWish,
): Promise<LogSlice> {
  // Answers to earlier questions may come first; a log that has the record answers soon.
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { slices } = await reader.fetch(topicId, [{ partition, offset }], LIMITS);
    const slice = slices.find((s) => s.partition === partition && s.from === offset);
    if (slice !== undefined) return slice;
  }
  throw new OrderonceError('LOG_UNAVAILABLE', `Offset ${offset} of ${partition} cannot be read`);
}
