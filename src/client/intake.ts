/** Reads events from an iterable, sync or async, and never faster than it is asked to. */
import { type Payload, payloadOf } from './payload.ts';

/** An event of the source; or why JSON cannot represent it. */
export type Taken =
  | { readonly payload: Payload; readonly given: object; readonly trouble: null }
  | { readonly payload: null; readonly given: object; readonly trouble: string };

/**
 * How long to wait for a further event of a slow source before those that are there are sent. An
 * event of a stream without end must not wait until its batch is full.
 */
const LINGER_MS = 5;

type Step = IteratorResult<object>;

export class Intake {
  readonly #iterator: Iterator<object> | AsyncIterator<object>;
  readonly #isAsync: boolean;
  /** The next() that has not answered yet. There is at most one. */
  #reading: Promise<Step> | null = null;
  isOver = false;
  /** What the source threw. It ends the source. */
  failure: { readonly error: unknown } | null = null;

  constructor(source: Iterable<object> | AsyncIterable<object>) {
    this.#isAsync = Symbol.asyncIterator in source;
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /**
   * Takes the events that are ready, until `add` returns false. Never rejects: see `failure`.
   * @param isPatient to wait for the first event as long as that takes, or until the signal aborts.
   */
  async read(
    add: (taken: Taken) => boolean,
    isPatient: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const late = new Late();
    try {
      for (let isFirst = true; !this.isOver; isFirst = false) {
        const step = this.#isAsync
          ? await this.#nextWithin(late, isPatient && isFirst ? null : LINGER_MS, signal)
          : (this.#iterator.next() as Step);
        if (step === null) return;
        if (step.done) this.isOver = true;
        else if (!add(takenOf(step.value))) return;
      }
    } catch (error) {
      this.isOver = true;
      this.failure = { error };
    } finally {
      late.stop();
    }
  }

  /** Tells the source that no more is read. It may then release what it holds. */
  async close(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    const closing = this.#return().catch(() => {
      // The caller has all verdicts, or an error that matters more.
    });
    // A generator that is in its next() runs return() only after it: perhaps never.
    if (this.#reading === null) await closing;
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #nextWithin(late: Late, ms: number | null, signal?: AbortSignal): Promise<Step | null> {
    this.#reading ??= Promise.resolve(this.#iterator.next());
    const step = await Promise.race([this.#reading, late.after(ms, signal)]);
    if (step !== null) this.#reading = null;
    return step;
  }
}

function takenOf(given: object): Taken {
  try {
    return { payload: payloadOf(given), given, trouble: null };
  } catch (error) {
    return {
      payload: null,
      given,
      trouble: error instanceof Error ? error.message : String(error),
    };
  }
}

/** A promise of null after some time without an event, or at an abort. */
class Late {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: () => void = () => {};

  after(ms: number | null, signal: AbortSignal | undefined): Promise<null> {
    this.stop();
    return new Promise((resolve) => {
      const end = () => resolve(null);
      if (ms !== null) this.#timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end);
      this.#forget = () => signal?.removeEventListener('abort', end);
      if (signal?.aborted) end();
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#forget();
  }
}
