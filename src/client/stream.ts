/**
 * The events of one sendMany(): reads them, and sends them to POST /events/batch, one request at a
 * time.
 *
 * A window holds the events that were read and whose verdict has not been given out. Each request
 * holds the *first* events of the window that are not settled. So an event whose outcome is unknown
 * is in every further request until it is settled, in front of all later events of its order: these
 * can never overtake it. Within a request the API keeps the order (src/ingest/accept-batch.ts).
 */
import {
  type Entry,
  firstUnsettled,
  linesOf,
  note,
  type Result,
  resultsOf,
  type Verdict,
} from './batch.ts';
import { type ClientError, Rejected, Unknown } from './errors.ts';
import { Intake, type Taken } from './intake.ts';
import type { SentEvent } from './payload.ts';
import { waitMs } from './retry.ts';
import { finalError, type SendOptions, unknown } from './send.ts';
import { type Answer, detailOf, type NoAnswer, pause, post, type Transport } from './transport.ts';

export type SendManyOptions = SendOptions & {
  /**
   * The most events of a request. Default: 500, which the API appends together, so that it answers
   * within its delivery deadline. At most 10,000.
   */
  readonly batchMax?: number;
  /** The most bytes of a request. Default: 1 MiB, which proxies usually let pass. At most 8 MiB. */
  readonly batchBytesMax?: number;
};

const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 1 << 20;

export class Stream {
  readonly intake: Intake;
  readonly #transport: Transport;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlineMs: number;
  #batchMax: number;
  #bytesMax: number;
  readonly #windowMax: number;
  readonly #windowBytesMax: number;
  #window: Entry[] = [];
  #windowBytes = 0;
  #read = 0;
  #failures = 0;
  #attempts = 0;
  /** When the last turn ended, and how long all times between turns were together, in ms. */
  #leftAt = performance.now();
  #outsideMs = 0;
  /** Why the stream gave up. */
  failure: ClientError | null = null;

  constructor(
    transport: Transport,
    source: Iterable<object> | AsyncIterable<object>,
    options: SendManyOptions,
  ) {
    this.intake = new Intake(source);
    this.#transport = transport;
    this.#signal = options.signal;
    this.#deadlineMs = options.deadlineMs ?? transport.deadlineMs;
    this.#batchMax = atLeastOne(options.batchMax ?? BATCH_MAX);
    this.#bytesMax = atLeastOne(options.batchBytesMax ?? BATCH_BYTES_MAX);
    // Twice a batch: the next one is read while one is under way.
    this.#windowMax = 2 * this.#batchMax;
    this.#windowBytesMax = 2 * this.#bytesMax;
  }

  /** Reads, sends one batch and settles it. @returns whether there is more to do. */
  async turn(): Promise<boolean> {
    this.#outsideMs += performance.now() - this.#leftAt;
    const isMore = await this.#work();
    this.#leftAt = performance.now();
    return isMore;
  }

  /**
   * A clock in ms that stops between turns: there the caller handles verdicts, and however long that
   * takes, it must not use up the deadline of an event.
   */
  #now(): number {
    return performance.now() - this.#outsideMs;
  }

  async #work(): Promise<boolean> {
    const hasWork = this.#window.some(({ verdict }) => verdict === null);
    await this.#fill(!hasWork);
    const batch = firstUnsettled(this.#window, this.#batchMax, this.#bytesMax);
    const [oldest] = batch;
    // What came is only what cannot be sent; or nothing came, because the source ended or the signal
    // aborted.
    const { isOver } = this.intake;
    if (oldest === undefined && (isOver || !this.#signal?.aborted)) return !isOver;
    if (this.#signal?.aborted) return this.#giveUp('Aborted', null);
    const now = this.#now();
    for (const entry of batch) entry.firstSentAt ??= now;
    this.#attempts++;
    const [answer] = await Promise.all([this.#post(batch), this.#fill(false)]);
    const isProgress = this.#settle(batch, answer);
    this.#failures = isProgress ? 0 : this.#failures + 1;
    if (this.failure !== null) return false;
    return await this.#waitAfter(answer, batch);
  }

  /** Takes the settled events at the front of the window out of it. */
  *takeSettled(): Generator<Verdict, void, undefined> {
    let count = 0;
    while (this.#window[count]?.verdict) count++;
    yield* this.#take(count);
  }

  /** Takes everything out of the window. What is not settled is unknown. */
  takeUnknown(): Generator<Verdict, void, undefined> {
    return this.#take(this.#window.length);
  }

  *#take(count: number): Generator<Verdict, void, undefined> {
    const taken = this.#window.slice(0, count);
    this.#window = this.#window.slice(count);
    for (const entry of taken) {
      this.#windowBytes -= entry.bytes.length;
      const { index, event, mayHaveBeenAccepted } = entry;
      yield entry.verdict ?? { index, event, status: 'unknown', mayHaveBeenAccepted };
    }
  }

  async #fill(isPatient: boolean): Promise<void> {
    const hasRoom = () =>
      this.#window.length < this.#windowMax && this.#windowBytes < this.#windowBytesMax;
    if (!hasRoom()) return;
    await this.intake.read(
      (taken) => {
        this.#add(taken);
        return hasRoom();
      },
      isPatient,
      this.#signal,
    );
  }

  #add({ payload, given, trouble }: Taken): void {
    const index = this.#read++;
    const { event, bytes } = payload ?? { event: given as SentEvent, bytes: new Uint8Array() };
    const verdict: Verdict | null =
      trouble === null ? null : { index, event, status: 'rejected', detail: trouble };
    this.#windowBytes += bytes.length;
    const times = { firstSentAt: null, mayHaveBeenAccepted: false };
    this.#window.push({ index, event, bytes, ...times, verdict });
  }

  #post(batch: readonly Entry[]): Promise<Answer | NoAnswer> {
    return post(this.#transport, '/events/batch', {
      type: 'application/x-ndjson',
      body: linesOf(batch),
      timeoutMs: Math.max(1, Math.min(this.#transport.attemptTimeoutMs, this.#leftMs(batch))),
      signal: this.#signal,
    });
  }

  /** The time until the deadline of the oldest of these, which is the first one. */
  #leftMs([oldest]: readonly Entry[]): number {
    const now = this.#now();
    return (oldest?.firstSentAt ?? now) + this.#deadlineMs - now;
  }

  /** Notes the verdicts of an answer. @returns whether there was at least one final verdict. */
  #settle(batch: readonly Entry[], answer: Answer | NoAnswer): boolean {
    const results = resultsOf(batch, answer);
    if (results !== null) {
      for (const [i, entry] of batch.entries()) note(entry, results[i] as Result);
      return batch.some(({ verdict }) => verdict !== null);
    }
    if (answer.status === 413) return this.#halve(batch, answer);
    const failure = this.#failureSoFar();
    const error = finalError(this.#transport, answer, failure);
    // A 400, 415 or 422 without results refuses the request and says nothing about its events.
    if (error instanceof Rejected) {
      this.failure = new Unknown(error.message, {
        ...failure,
        status: error.status,
        detail: error.detail,
      });
    } else this.failure = error;
    const isUntouched = answer.status !== null && answer.isUntouched;
    if (!isUntouched) for (const entry of batch) entry.mayHaveBeenAccepted = true;
    return false;
  }

  /** A proxy may allow less than the API: send less from now on. An event alone is rejected. */
  #halve(batch: readonly Entry[], answer: Answer | NoAnswer): boolean {
    const [only] = batch;
    if (batch.length > 1 || only === undefined) {
      this.#batchMax = Math.ceil(batch.length / 2);
    } else {
      const { index, event } = only;
      only.verdict = { index, event, status: 'rejected', detail: detailOf(answer) };
    }
    return true;
  }

  /** Waits before the next request, if this one left events unsettled. */
  async #waitAfter(answer: Answer | NoAnswer, batch: readonly Entry[]): Promise<boolean> {
    const unsettled = batch.filter(({ verdict }) => verdict === null);
    if (unsettled.length === 0 || answer.status === 413) return true;
    const state = {
      failures: Math.max(1, this.#failures),
      leftMs: this.#leftMs(unsettled),
      retryAfterMs: answer.status === null ? null : answer.retryAfterMs,
    };
    const wait = waitMs(state, this.#transport.backoff);
    if (this.#signal?.aborted) return this.#giveUp('Aborted', answer);
    if (wait === null)
      return this.#giveUp('The deadline leaves no time for another attempt', answer);
    await pause(wait, this.#signal);
    return true;
  }

  #giveUp(why: string, last: Answer | NoAnswer | null): false {
    const failure = this.#failureSoFar();
    const signal = this.#signal === undefined ? {} : { signal: this.#signal };
    this.failure = unknown(why, this.#transport, last, { ...failure, ...signal });
    return false;
  }

  #failureSoFar() {
    const left = this.#window.filter(({ verdict }) => verdict === null);
    return {
      attempts: this.#attempts,
      events: left.map(({ event }) => event),
      mayHaveBeenAccepted: left.some((entry) => entry.mayHaveBeenAccepted),
    };
  }
}

/** @throws RangeError: with less, nothing would ever be sent. */
function atLeastOne(limit: number): number {
  if (limit >= 1) return Math.floor(limit);
  throw new RangeError(`A batch must hold at least 1, not ${limit}`);
}
