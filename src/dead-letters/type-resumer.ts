/**
 * Redrives parked events whose type or version this deployment knows now. A deployment that did not
 * know them parked them, for example a consumer of the release before, during a roll-out.
 */
import { reasonOf } from '../errors.ts';
import type { Logger } from '../runtime/logger.ts';
import {
  listUnknownEvents,
  listUnknownTypes,
  type UnknownEvent,
} from '../store/dead-letter-queue.ts';
import { redrive } from './redrive.ts';
import type { RedriveContext } from './redrive-one.ts';

const CHECK_MS = 10_000;
/** The most events of one check, so that a large backlog does not compete with the log. */
const EVENTS_MAX = 500;

type UnknownType = Pick<UnknownEvent, 'type' | 'version'>;

export class TypeResumer {
  readonly #context: RedriveContext;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();

  constructor(context: Omit<RedriveContext, 'actor'>, logger: Logger) {
    this.#context = { ...context, actor: 'orderonce: type known now' };
    this.#logger = logger;
  }

  /** Checks now, and then at intervals. Without declared types there is nothing that it could know. */
  start(): void {
    if (this.#context.rules.declared === null) return;
    this.#checkSoon();
    this.#timer ??= setInterval(() => this.#checkSoon(), CHECK_MS).unref();
  }

  #checkSoon(): void {
    this.#checking = this.#checking
      .then(() => this.check())
      .catch((error: unknown) => {
        const fields = { reason: reasonOf(error) };
        this.#logger.warn(fields, 'Events of types that were unknown cannot be redriven now');
      });
  }

  /**
   * Redrives what is known now, at most EVENTS_MAX events. Called by a timer; public for tests.
   * @throws an outage. What was redriven before it has taken effect.
   */
  async check(): Promise<void> {
    const { pool } = this.#context;
    let left = EVENTS_MAX;
    for (const type of await listUnknownTypes(pool)) {
      if (left <= 0 || !this.#isKnown(type)) continue;
      const places = await listUnknownEvents(pool, type, left);
      left -= places.length;
      const outcomes: Record<string, number> = {};
      for (const place of places) {
        if (this.#stopping.signal.aborted) break;
        for (const { outcome } of await redrive(this.#context, place)) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }
      }
      const fields = { event_type: type.type, event_version: type.version, ...outcomes };
      this.#logger.info(fields, 'Redrove events of a type that was unknown when they were parked');
    }
  }

  #isKnown({ type, version }: UnknownType): boolean {
    const { declared } = this.#context.rules;
    if (type === null) return declared?.untyped === 'accept';
    const known = declared?.types.get(type);
    return known !== undefined && (version === null || known.knows(version));
  }

  stop(): void {
    this.#stopping.abort();
    clearInterval(this.#timer);
  }
}
