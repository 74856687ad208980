import { redrive } from '../dead-letters/redrive.ts';
import type { EventDefinition } from '../event/declaration.ts';
import { compileEvents } from '../event/declared-events.ts';
import type { Handler } from '../handlers/handler.ts';
import type { HandlerSet } from '../handlers/run-handlers.ts';
import type { BatchContext } from '../inbox/batch.ts';
import { listDeadLetters } from '../store/dead-letter-queue.ts';
import { type EventModel, USUAL_MODEL } from '../store/event-model.ts';
import { findEvent } from '../store/event-status.ts';
import type { Pool } from '../store/pool.ts';
import { readPositions } from '../store/positions.ts';
import { listOutbox } from '../store/test-tables.ts';
import { TestClock } from './clock.ts';
import { drain, TrustingParkGuard } from './drain.ts';
import {
  bytesOf,
  completeEvent,
  storedId,
  type TestEvent,
  type TestEventOf,
  type TestParts,
} from './events.ts';
import { makeHandlers } from './handler-source.ts';
import { type KitDatabase, KitDatabases, TOPIC } from './kit-databases.ts';
import type { ProofOptions, TestKitOptions } from './kit-options.ts';
import type {
  DeadLetterInTest,
  Drained,
  EmittedInTest,
  PlaceInTest,
  Proof,
  RedriveInTest,
} from './kit-results.ts';
import { MemoryLog } from './memory-log.ts';
import { proveExactlyOnce } from './prove.ts';

const HANDLER_TIMEOUT_MS = 3000;
const ATTEMPTS_MAX = 5;
/** As the consumer's, with its default session time-out of 10 s. */
const LIMITS = { lockMs: 3000, statementMs: 8000, idleMs: 5000 };

/**
 * Runs a team's handlers on a database of their own. send() appends events to a log in memory, and
 * drain() processes them in the transaction that the consumer uses. One test at a time may use it.
 * @typeParam D the declaration of the events, which types what may be sent.
 */
export class TestKit<D extends EventDefinition = EventDefinition> {
  /** Gives events their `timestamp`; does not change `now()` in SQL. */
  readonly clock = new TestClock();
  readonly #options: TestKitOptions<D>;
  readonly #model: EventModel;
  readonly #databases: KitDatabases;
  readonly #log = new MemoryLog();
  readonly #logId: number;
  #database: KitDatabase;
  #handlers: readonly Handler[];
  #closing: Promise<void> | undefined;

  private constructor(
    options: TestKitOptions<D>,
    databases: KitDatabases,
    database: KitDatabase,
    { handlers, logId, model }: { handlers: readonly Handler[]; logId: number; model: EventModel },
  ) {
    this.#options = options;
    this.#model = model;
    this.#databases = databases;
    this.#database = database;
    this.#handlers = handlers;
    this.#logId = logId;
  }

  static async start<D extends EventDefinition>(options: TestKitOptions<D>): Promise<TestKit<D>> {
    const model = modelOf(options.events);
    const { declared } = model.rules;
    const { databases, first } = await KitDatabases.start({ ...options, declared });
    try {
      const handlers = await makeHandlers(options.handlers, { databaseUrl: first.url });
      const [position] = await readPositions(first.pool, TOPIC);
      const logId = position?.logId as number;
      databases.schema = first.pool.schema;
      return new TestKit(options, databases, first, { handlers, logId, model });
    } catch (error) {
      await first.pool.end();
      await databases.close();
      throw error;
    }
  }

  /** Of this kit's database, for the team's own client. */
  get databaseUrl(): string {
    return this.#database.url;
  }

  /**
   * Appends an event; drain() processes it.
   * @param parts what matters to the test. The rest has usual values, with new ids.
   * @returns the event as it was sent.
   * @throws where the API would answer 422.
   */
  async send(parts: TestParts<D> = {} as TestParts<D>): Promise<TestEventOf<D>> {
    const event = completeEvent(parts, this.clock, this.#model.rules);
    this.#append(event.order_id, bytesOf(event, this.#model.rules));
    return event as TestEventOf<D>;
  }

  /** The same event twice, as after a resend. */
  async sendTwice(parts: TestParts<D> = {} as TestParts<D>): Promise<TestEventOf<D>> {
    const event = await this.send(parts);
    return await this.send(event);
  }

  /** Appends bytes that are no event, as another Kafka client may; null is a tombstone. */
  async sendGarbage(bytes: string | Buffer | null = 'not an event'): Promise<void> {
    this.#append(null, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  }

  #append(key: string | null, value: Buffer | null): void {
    this.#log.append({ key, value, appendedMs: this.clock.now.getTime() });
  }

  /**
   * Processes everything that was sent.
   * @throws if the consumer would retry until somebody repairs the cause; the events stay in the
   * log, and the next drain() tries them again.
   */
  async drain(): Promise<Drained> {
    const failuresMax = 2 * ATTEMPTS_MAX;
    return await drain(this.#context(), this.#log, { failuresMax });
  }

  /** One statement on the kit's database, in a transaction of its own. */
  async query<Row extends object = Record<string, unknown>>(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<{ readonly rows: Row[]; readonly rowCount: number }> {
    // As an object: in plain texts, `orderonce.` is replaced by the schema (store/statements.ts).
    const { rows, rowCount } = await this.#pool.query({ text: sql, values: [...values] } as never);
    return { rows, rowCount: rowCount ?? 0 };
  }

  /** What became of an event, as GET /events/ID answers; null while it is unknown. */
  async event(id: string | Pick<TestEvent, 'event_id'>): Promise<Record<string, unknown> | null> {
    const found = await findEvent(this.#pool, this.#idOf(id));
    return found as Record<string, unknown> | null;
  }

  /** In log order, at most 1000. */
  async deadLetters(): Promise<DeadLetterInTest[]> {
    return await listDeadLetters(this.#pool, { limit: 1000 });
  }

  /** The messages that handlers emitted, in order. */
  async outbox(): Promise<EmittedInTest[]> {
    const rows = await listOutbox(this.#pool);
    return rows.map(({ topic, key, value, headers, eventId, handler }) => ({
      topic,
      key: key.toString(),
      value: value === null ? null : value.toString(),
      headers,
      eventId,
      handler,
    }));
  }

  /**
   * Redrives a dead letter, and what waits behind it.
   * @param which a dead letter of deadLetters(), or an event or its id.
   * @returns a result for each one tried, as the consumer's API gives it.
   */
  async redrive(
    which: PlaceInTest | string | Pick<TestEvent, 'event_id'>,
  ): Promise<RedriveInTest[]> {
    const isPlace = typeof which === 'object' && 'offset' in which;
    const place = isPlace ? which : await this.#letterOf(this.#idOf(which));
    const { logId, partition, offset } = place;
    const { pool, handlers } = this.#context();
    const context = { pool, handlers, ...this.#model, actor: 'test' };
    return await redrive(context, { logId, partition, offset });
  }

  async #letterOf(eventId: string): Promise<PlaceInTest> {
    const [letter] = await listDeadLetters(this.#pool, { eventId, limit: 1 });
    if (letter === undefined) throw new Error(`Event ${eventId} is no dead letter`);
    return letter;
  }

  /** Makes the handlers anew, if they were given as a function: as a restart of the consumer does. */
  async restart(): Promise<void> {
    this.#handlers = await makeHandlers(this.#options.handlers, { databaseUrl: this.databaseUrl });
  }

  /**
   * Processes the events in a copy of this kit's database without disturbance, and then again in
   * further copies with failures at every statement and at COMMIT, lost replies, restarts, other
   * batches, duplicates, and two consumers at the same time. All of the team's tables and the outbox
   * must be the same each time, and an attempt that is rolled back must leave nothing. The kit's own
   * database stays as it is.
   * @param events overrides, as for send().
   * @returns what was tried. @throws ProofError naming the first difference.
   */
  async provesExactlyOnce(
    events: readonly TestParts<D>[],
    options: ProofOptions = {},
  ): Promise<Proof> {
    await this.drain();
    const sent = events.map((parts) => completeEvent(parts, this.clock, this.#model.rules));
    const reopen = async <T>(work: () => Promise<T>) => {
      await this.#pool.end();
      try {
        return await work();
      } finally {
        this.#database = this.#databases.open(this.#database.name);
      }
    };
    return await proveExactlyOnce(sent, options, {
      databases: this.#databases,
      source: this.#options.handlers,
      rules: this.#model.rules,
      database: () => this.#database,
      reopen,
      context: ({ pool, handlers, attemptsMax }) => ({
        ...this.#context(),
        pool,
        handlers: this.#setOf(handlers, attemptsMax),
      }),
      start: this.#log.end,
    });
  }

  /** Drops the database. The server stops some seconds after its last kit. */
  async close(): Promise<void> {
    this.#closing ??= this.#pool.end().then(() => this.#databases.close());
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #idOf(which: string | Pick<TestEvent, 'event_id'>): string {
    return storedId(typeof which === 'string' ? which : which.event_id, this.#model.rules);
  }

  get #pool(): Pool {
    return this.#database.pool;
  }

  #context(): BatchContext {
    return {
      pool: this.#pool,
      limits: LIMITS,
      topic: TOPIC,
      logId: this.#logId,
      owner: 'test-kit',
      handlers: this.#setOf(this.#handlers, ATTEMPTS_MAX),
      parkGuard: new TrustingParkGuard(),
      ...this.#model,
    };
  }

  #setOf(handlers: readonly Handler[], attemptsMax: number): HandlerSet {
    const timeoutMs = this.#options.handlerTimeoutMs ?? HANDLER_TIMEOUT_MS;
    return { handlers, timeoutMs, attemptsMax };
  }
}

function modelOf(events: EventDefinition | undefined): EventModel {
  if (events === undefined) return USUAL_MODEL;
  return { ...USUAL_MODEL, rules: { ...USUAL_MODEL.rules, declared: compileEvents(events) } };
}
