/** Dead letters as the API and the command line answer them. Pure. */
import type { ListedDeadLetter, StoredDeadLetter } from '../store/dead-letter-queue.ts';
import { placeText } from '../store/log-place.ts';

/** A dead letter of a list, as the API and the command line answer it. */
export function deadLetterLine(letter: ListedDeadLetter) {
  const { logId, partition, offset, eventId, orderId, state, reason, sqlState } = letter;
  return {
    place: placeText(letter),
    log_id: logId,
    partition,
    offset,
    event_id: eventId,
    order_id: orderId,
    state,
    reason,
    sqlstate: sqlState,
    shape: letter.shape,
    attempts: letter.attempts,
    detail: letter.detail,
    parked_at: letter.parkedAt,
    updated_at: letter.updatedAt,
  };
}

/** A whole dead letter: the exact bytes as base64, since they may not be text. `value_text` is for reading only. */
export function deadLetterPage(letter: StoredDeadLetter) {
  const { key, value, headers, digest, appendedAt } = letter;
  return {
    ...deadLetterLine(letter),
    digest,
    appended_at: appendedAt,
    key_base64: key?.toString('base64') ?? null,
    value_base64: value?.toString('base64') ?? null,
    value_text: value?.toString('utf8') ?? null,
    headers_base64: headers,
  };
}
