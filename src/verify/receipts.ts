import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { DeclaredEvents } from '../event/declared-events.ts';
import { storedIdOf } from '../event/text-ids.ts';
import type { Receipt } from '../store/receipts.ts';

const CHUNK_LINES = 5000;

/**
 * Reads receipts from a file in chunks, so that a file of any size needs little memory. Each line
 * is a JSON object with event_id, partition and offset, as the 202 gave them. Empty lines are
 * skipped.
 * @param declared the ids of this deployment; null if only UUIDs are accepted.
 * @throws SETTING_INVALID with the number of the first line that is no receipt.
 */
export async function* readReceipts(
  file: string,
  declared: DeclaredEvents | null,
): AsyncGenerator<Receipt[]> {
  let chunk: Receipt[] = [];
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      number++;
      if (line.trim() !== '') chunk.push(receiptOf(line, declared));
      if (chunk.length < CHUNK_LINES) continue;
      yield chunk;
      chunk = [];
    }
  } catch (error) {
    if (error instanceof OrderonceError) throw error;
    throw new OrderonceError('SETTING_INVALID', `${file}, line ${number}: ${reasonOf(error)}`);
  }
  if (chunk.length > 0) yield chunk;
}

function receiptOf(line: string, declared: DeclaredEvents | null): Receipt {
  const { event_id: given, partition, offset } = JSON.parse(line);
  const eventId = typeof given === 'string' ? storedIdOf(given, 'eventId', declared) : null;
  if (eventId !== null && Number.isInteger(partition) && Number.isInteger(offset)) {
    return { eventId, partition, offset };
  }
  throw new Error('not a receipt: {"event_id": "...", "partition": 0, "offset": 0}');
}
