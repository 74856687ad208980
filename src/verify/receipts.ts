import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Receipt } from '../store/account-queries.ts';

const PIECE = 5000;

/**
 * Reads receipts, one JSON object per line: {"event_id", "partition", "offset"}, as the 202 gave
 * them. @throws SETTING_INVALID naming the first line that is none.
 */
export async function* readReceipts(file: string): AsyncGenerator<Receipt[]> {
  let piece: Receipt[] = [];
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      number++;
      if (line.trim() !== '') piece.push(receiptOf(line));
      if (piece.length < PIECE) continue;
      yield piece;
      piece = [];
    }
  } catch (error) {
    if (error instanceof OrderonceError) throw error;
    throw new OrderonceError('SETTING_INVALID', `${file}, line ${number}: ${reasonOf(error)}`);
  }
  if (piece.length > 0) yield piece;
}

function receiptOf(line: string): Receipt {
  const { event_id: eventId, partition, offset } = JSON.parse(line);
  const isReceipt =
    /^[0-9a-f-]{36}$/i.test(eventId) && Number.isInteger(partition) && Number.isInteger(offset);
  if (isReceipt) return { eventId, partition, offset };
  throw new Error('not a receipt: {"event_id": "...", "partition": 0, "offset": 0}');
}
