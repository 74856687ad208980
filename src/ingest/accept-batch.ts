/**
 * Accepts many events in one request. Each item gets the verdict that a request of its own would
 * get, and the events are appended together.
 *
 * The body is checked while it arrives, and appended in chunks of CHUNK records, one chunk at a
 * time. While a chunk is appended, only the next one is parsed, so that memory stays bounded. After
 * an event that the log did not acknowledge, no later event of that order is sent: when the client
 * sends the first one again, it would be behind the later ones.
 */
import type { EventRules } from '../event/event-rules.ts';
import type { FieldError } from '../event/field-error.ts';
import { sentEventId } from '../event/order-event.ts';
import { parseEvent } from '../event/parse-event.ts';
import {
  type AppendOutcome,
  type AppendRecord,
  type Header,
  isRefusal,
  type LogPosition,
} from '../log/event-log.ts';
import type { RequestIds } from '../log/request-id.ts';
import { BodyRefused } from '../runtime/body-refused.ts';
import { failureOf, recordOf, tooLongOf } from './accept-event.ts';
import type { AppendQueue } from './append-queue.ts';
import { type BodyForm, type BodyItem, BodyItems } from './body-items.ts';

/** The most items of one batch. */
export const BATCH_ITEMS_MAX = 10_000;
/** The largest body of a batch in bytes, after decompression. */
export const BODY_BYTES_MAX = 8 << 20;
/**
 * How many characters of errors one answer lists; those of one more item may follow. Without a
 * limit, a body of 7 MB with unknown keys is answered with 96 MB.
 */
const ERRORS_CHARS_MAX = 256 << 10;
/** The errors of an item for which there is no more room. */
const NOT_LISTED: readonly FieldError[] = [
  { type: 'not_listed', loc: ['body'], msg: 'Too many errors: send it alone', input: null },
];
/** The most records of a chunk, which are appended together. */
const CHUNK = 500;

/** The outcome of one item of a batch. */
export type ItemVerdict =
  | { readonly status: 'accepted'; readonly eventId: string; readonly position: LogPosition }
  | { readonly status: 'rejected'; readonly errors: readonly FieldError[] }
  /** The log did not acknowledge the event, or it was not sent. Sending it again is safe. */
  | {
      readonly status: 'unknown';
      readonly eventId: string;
      readonly reason: string;
      /** The request id in the header of its record, if that is in the log. */
      readonly requestId: string;
    }
  /** The queue is full, or the service is stopping: the event was not appended. */
  | { readonly status: 'refused'; readonly eventId: string; readonly reason: string };

type Pending = {
  readonly index: number;
  readonly eventId: string;
  readonly requestId: string;
  readonly record: AppendRecord;
};

/** What acceptBatch needs. */
export type BatchParts = {
  readonly queue: AppendQueue;
  readonly requestIds: RequestIds;
  /** The headers of the trace context of the request, for each of its records. */
  readonly trace: readonly Header[];
  readonly rules: EventRules;
};

/**
 * Reads a body and appends its valid events.
 * @returns a verdict for each item, in the order of the body.
 * @throws BodyRefused if the body is refused and nothing of it was appended.
 */
export async function acceptBatch(
  parts: BatchParts,
  body: AsyncIterable<Buffer>,
  form: BodyForm,
): Promise<readonly ItemVerdict[]> {
  const batch = new Batch(parts, form);
  let refusal: BodyRefused | null = null;
  try {
    for await (const chunk of body) {
      await batch.read(chunk);
      if (batch.isOver) break;
    }
  } catch (error) {
    if (!(error instanceof BodyRefused)) throw error;
    refusal = error;
    batch.stop(error.statusCode === 413 ? 'too_long' : 'encoding_invalid', error.message);
  }
  const verdicts = await batch.end();
  // A 4xx promises that nothing was appended. If something was, the last verdict reports the
  // refusal.
  const isUntouched = verdicts.every(({ status }) => status === 'rejected');
  if (refusal !== null && isUntouched) throw refusal;
  return verdicts;
}

class Batch {
  readonly #parts: BatchParts;
  readonly #items: BodyItems;
  readonly #verdicts: ItemVerdict[] = [];
  readonly #chunkMax: number;
  #chunk: Pending[] = [];
  #errorsChars = 0;
  #underWay: Promise<void> = Promise.resolve();
  /** Orders with an event whose outcome is unknown. */
  readonly #unsure = new Set<string>();
  #isLogAway = false;
  #refusal: Extract<ItemVerdict, { status: 'refused' }> | null = null;
  /** Whether the rest of the body is ignored, because it is broken or too long. */
  isOver = false;

  constructor(parts: BatchParts, form: BodyForm) {
    this.#parts = parts;
    this.#items = new BodyItems(form, parts.rules.bytesMax);
    this.#chunkMax = Math.min(CHUNK, parts.queue.itemsMax);
  }

  async read(chunk: Buffer): Promise<void> {
    await this.#takeAll(this.#items.push(chunk));
  }

  async end(): Promise<readonly ItemVerdict[]> {
    if (!this.isOver) await this.#takeAll(this.#items.end());
    await this.#send();
    await this.#underWay;
    return this.#verdicts;
  }

  async #takeAll(items: readonly BodyItem[]): Promise<void> {
    for (const item of items) {
      if (this.isOver) return;
      if (item.kind === 'broken') this.stop('json_invalid', item.reason);
      else await this.#take(item.bytes);
    }
  }

  async #take(bytes: Buffer): Promise<void> {
    const index = this.#verdicts.length;
    if (index >= BATCH_ITEMS_MAX) {
      this.stop('too_long', `More than ${BATCH_ITEMS_MAX} events`);
      return;
    }
    const parsed = parseEvent(bytes, this.#parts.rules);
    if (!parsed.ok) {
      this.#verdicts.push({ status: 'rejected', errors: this.#listed(parsed.errors) });
      return;
    }
    const { requestIds, trace } = this.#parts;
    const requestId = requestIds.next();
    const record = recordOf(parsed.event, { requestId, trace });
    const tooLong = tooLongOf(record, this.#parts.rules);
    if (tooLong !== null) {
      this.#verdicts.push({ status: 'rejected', errors: this.#listed(tooLong.errors) });
      return;
    }
    const eventId = sentEventId(parsed.event);
    // The verdict until the log answers, and if the event is never sent.
    const reason = 'Not sent: an earlier event was not acknowledged';
    this.#verdicts.push({ status: 'unknown', eventId, reason, requestId });
    this.#chunk.push({ index, eventId, requestId, record });
    if (this.#chunk.length >= this.#chunkMax) await this.#send();
  }

  #listed(errors: readonly FieldError[]): readonly FieldError[] {
    if (this.#errorsChars >= ERRORS_CHARS_MAX) return NOT_LISTED;
    this.#errorsChars += JSON.stringify(errors).length;
    return errors;
  }

  /** Waits for the previous chunk and starts to append this one, but does not wait for it. */
  async #send(): Promise<void> {
    const chunk = this.#chunk;
    this.#chunk = [];
    await this.#underWay;
    this.#underWay = this.#append(chunk);
  }

  async #append(chunk: readonly Pending[]): Promise<void> {
    // Nothing of the previous chunk was acknowledged, so the log is unavailable: do not try again.
    if (this.#isLogAway) return;
    // No later event of an order is sent after one whose outcome is unknown (see above).
    const sent = chunk.filter(({ record }) => !this.#unsure.has(String(record.key)));
    if (sent.length === 0) return;
    if (this.#refusal !== null) {
      for (const { index, eventId } of sent) this.#verdicts[index] = { ...this.#refusal, eventId };
      return;
    }
    const outcomes = await this.#parts.queue.appendAll(sent.map(({ record }) => record));
    for (const [i, pending] of sent.entries()) this.#note(pending, outcomes[i] as AppendOutcome);
    this.#isLogAway = sent.every(({ index }) => this.#verdicts[index]?.status === 'unknown');
  }

  #note({ index, eventId, requestId, record }: Pending, outcome: AppendOutcome): void {
    if (!isRefusal(outcome)) {
      this.#verdicts[index] = { status: 'accepted', eventId, position: outcome };
      return;
    }
    const failure = failureOf(outcome);
    const verdict = failure.status === 'rejected' ? failure : { ...failure, eventId, requestId };
    this.#verdicts[index] = verdict;
    if (verdict.status === 'unknown') this.#unsure.add(String(record.key));
    if (verdict.status === 'refused') this.#refusal = verdict;
  }

  /** Adds a last verdict that says why the rest of the body was not read. */
  stop(type: string, reason: string): void {
    this.isOver = true;
    const index = this.#verdicts.length;
    const msg = `${reason}: the body was not read from here on`;
    const errors = [{ type, loc: ['body', index], msg, input: null }];
    this.#verdicts.push({ status: 'rejected', errors });
  }
}
