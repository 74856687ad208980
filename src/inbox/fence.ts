/**
 * The fence: the statement that moves positions. It comes first in every batch transaction, so that
 * of two processes that believe to own a partition only one goes on.
 */
import { OrderonceError } from '../errors.ts';
import { recordDigest } from '../log/decoded-record.ts';
import type { LogSlice } from '../log/event-log.ts';
import { movePositions, type PositionMove } from '../store/positions.ts';
import type { Transaction } from '../store/queryable.ts';
import type { BatchContext } from './batch.ts';

/** The position of the slice's partition moves from the start of the slice to `to`. */
export type Advance = { readonly slice: LogSlice; readonly to: number };

/**
 * The fence (G7): moves each position from its slice's start to `to`, by compare-and-set, and locks
 * its row until COMMIT.
 * @returns `anyClaims`: whether any dead letter has taken an event id.
 * @throws POSITION_MOVED if a position is not at the start of its slice.
 */
export async function fence(
  tx: Transaction,
  context: BatchContext,
  advances: readonly Advance[],
): Promise<{ anyClaims: boolean }> {
  const { moved, anyClaims } = await movePositions(tx, context, advances.map(moveOf));
  const missed = advances.find(({ slice }) => !moved.has(slice.partition));
  if (missed === undefined) return { anyClaims };
  const { partition, from } = missed.slice;
  const message = `Partition ${partition} is no longer at offset ${from}`;
  throw new OrderonceError('POSITION_MOVED', message);
}

function moveOf({ slice, to }: Advance): PositionMove {
  const { partition, from, leaderEpoch } = slice;
  const last = slice.records.findLast((record) => record.offset < to);
  return {
    partition,
    from,
    to,
    leaderEpoch,
    last: last && { offset: last.offset, digest: recordDigest(last) },
  };
}
