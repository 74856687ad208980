/**
 * The continuous proof: it asks what `verify` asks, all the time, of a part of the tables after the
 * other. Any number of processes have a worker; the one with the lease proves.
 *
 *   head     from where the proof ends to the position, every `intervalMs`
 *   patrol   what the head has proven, again and again, a round in at most `roundMs`
 *
 * After each step the worker rests nine times as long as the step took, so it never keeps its
 * connection busy for more than a tenth of the time.
 */
import { reasonOf } from '../errors.ts';
import type { LogReader } from '../log/event-log.ts';
import { pause } from '../runtime/backoff.ts';
import { within } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';
import { PARTS } from '../store/account-parts.ts';
import type { Projection } from '../store/orders-projection.ts';
import { readPlaceIndex, summarisePlaces } from '../store/place-index.ts';
import type { Pool } from '../store/pool.ts';
import { countSteps, type PatrolPart } from '../store/proof-patrol.ts';
import { noteProofTrouble, releaseProofLease, takeProofLease } from '../store/proof-progress.ts';
import { type ProofSummary, readProofSummary } from '../store/proof-summary.ts';
import { isConnectionBroken, sqlStateOf } from '../store/sqlstate.ts';
import type { Pass } from './head-plan.ts';
import { LagWatch } from './lag-watch.ts';
import { type ProofContext, recheckFindings, stepHead, stepPatrol } from './proof-steps.ts';
import { StepLimits } from './step-limits.ts';

export type ProofWorkerOptions = {
  /** A pool of its own, with one connection. */
  readonly pool: Pool;
  readonly reader: LogReader;
  /** Identifies this process. No other may use it, now or later. */
  readonly owner: string;
  readonly logger: Logger;
  /** null (ORDERS_PROJECTION=off): the table `orders` is not examined. */
  readonly projection: Projection | null;
  /** Milliseconds between the beginnings of two passes of the head. */
  readonly intervalMs: number;
  /** The longest time that a round of the patrol should take, in milliseconds. */
  readonly roundMs: number;
  /** The shortest time between two steps of the patrol, in milliseconds. Default: 1000. */
  readonly restMs?: number;
};

const LEASE_MS = 20_000;
const IDLE_MS = 5000;
const STOP_MS = 1000;
/** How many times its own time the worker rests after a step. */
const REST = 9;
/** The same after a step of the patrol, unless the round would take longer than it should. */
const PATROL_REST = 399;
const LAG_MAX_MS = 30_000;
/** query_canceled: the time-out of a statement. */
const CANCELED = '57014';

export class ProofWorker implements Service {
  readonly #options: ProofWorkerOptions;
  readonly #context: Omit<ProofContext, 'statementMs' | 'turn'>;
  readonly #parts: readonly PatrolPart[];
  readonly #lag: LagWatch;
  readonly #limits = new StepLimits();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #summary: ProofSummary | null = null;
  #trouble: string | null = null;
  #pass: Pass | null = null;
  #turn = 0;
  #summarisedTo = 0;
  #maySummarise = true;
  #headAt = 0;
  #patrolAt = 0;
  #restMs = 0;
  #wasPatrol = true;
  #leasedUntil = Number.NEGATIVE_INFINITY;

  constructor(options: ProofWorkerOptions) {
    this.#options = options;
    const { pool, logger, projection, reader } = options;
    this.#context = { pool, logger, projection };
    this.#parts = PARTS.filter((part) => projection !== null || part !== 'orders');
    this.#lag = new LagWatch(reader, pool, LAG_MAX_MS);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** For health: findings are no reason to restart anything, so they are only warnings. */
  get warnings(): string[] {
    const kinds = Object.entries(this.#summary?.findings ?? {});
    if (kinds.length === 0) return [];
    const list = kinds.map(([kind, n]) => `${n} ${kind}`).join(', ');
    return [`The continuous proof contradicts the account (${list}): see "orderonce proof"`];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const waitMs = await this.turn().catch((error) => this.#failed(error));
      await pause(waitMs, signal);
    }
  }

  /**
   * Makes a step if one is due; public for tests.
   * @returns how long to wait for the next turn, in milliseconds.
   */
  async turn(): Promise<number> {
    const began = performance.now();
    const isHeadDue = began >= this.#headAt;
    const hasLease = await this.#hasLease(began);
    if (isHeadDue || !hasLease) this.#summary = await readProofSummary(this.#options.pool);
    if (!hasLease) return IDLE_MS;
    const why = isHeadDue ? await this.#whyNot() : null;
    if (why !== null) {
      await this.#say(why);
      return IDLE_MS;
    }
    // They take turns where both are due, so that a head that is far behind does not end the patrol.
    const makesPatrol = began >= this.#patrolAt && !(isHeadDue && this.#wasPatrol);
    const statementMs = this.#limits.statementMs(makesPatrol ? 'patrol' : 'head');
    const context = { ...this.#context, statementMs, turn: this.#turn };
    // Also if the step fails: a head that fails each time does not end the patrol.
    this.#wasPatrol = makesPatrol;
    if (makesPatrol) await this.#patrol(context, began);
    else if (isHeadDue) await this.#head(context, began);
    await this.#say(null);
    const tookMs = performance.now() - began;
    const nextMs = Math.min(this.#headAt, this.#patrolAt) - performance.now();
    return Math.max(tookMs * REST, Math.min(nextMs, IDLE_MS), 1);
  }

  /** Renews the lease when half of it is over. */
  async #hasLease(now: number): Promise<boolean> {
    if (this.#leasedUntil - now > LEASE_MS / 2) return true;
    const { pool, owner } = this.#options;
    if (await takeProofLease(pool, owner, LEASE_MS)) this.#leasedUntil = now + LEASE_MS;
    return this.#leasedUntil > now;
  }

  async #whyNot(): Promise<string | null> {
    const state = await readPlaceIndex(this.#options.pool);
    if (state === 'building') return 'The index processed_events_place is being built';
    if (state !== 'ready') {
      return `The index processed_events_place is ${state}: run "orderonce migrate"`;
    }
    if (!(await this.#lag.isDraining())) return null;
    return 'Paused: records wait for more than 30 s, and consumers need PostgreSQL';
  }

  async #head(context: ProofContext, began: number): Promise<void> {
    if (this.#pass === null) {
      await recheckFindings(context);
      await this.#summarise(context);
    }
    const readAt = performance.now();
    this.#pass = await stepHead(context, this.#pass, this.#limits.offsetsMax);
    if (this.#pass === null) this.#turn++;
    this.#limits.succeeded('head', performance.now() - readAt);
    if (this.#pass === null) this.#headAt = began + this.#options.intervalMs;
  }

  /** Without new summaries the proof is as right, but reads more. */
  async #summarise({ pool, logger }: ProofContext): Promise<void> {
    if (!this.#maySummarise) return;
    try {
      this.#summarisedTo = await summarisePlaces(pool, this.#summarisedTo);
    } catch (error) {
      if (isConnectionBroken(error)) throw error;
      this.#maySummarise = false;
      const fields = { reason: reasonOf(error) };
      logger.warn(fields, 'The index processed_events_place cannot be summarised by this process');
    }
  }

  async #patrol(context: ProofContext, began: number): Promise<void> {
    const { pool, roundMs, restMs = 1000 } = this.#options;
    if (this.#restMs === 0) this.#restMs = roundMs / Math.max(1, await countSteps(pool));
    const isRoundOpen = await stepPatrol(context, this.#parts);
    const tookMs = performance.now() - began;
    this.#limits.succeeded('patrol', tookMs);
    // A round that has ended says anew how many steps the next one will have.
    const shareMs = this.#restMs;
    if (!isRoundOpen) this.#restMs = 0;
    const waitMs = Math.max(restMs, tookMs * REST, Math.min(tookMs * PATROL_REST, shareMs));
    this.#patrolAt = performance.now() + waitMs;
  }

  async #say(trouble: string | null): Promise<void> {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (trouble !== null) this.#options.logger.info({ trouble }, 'The continuous proof waits');
    await noteProofTrouble(this.#options.pool, trouble);
  }

  /** After a time-out the next step is smaller; whatever it was, the same part comes again. */
  async #failed(error: unknown): Promise<number> {
    this.#pass = null;
    this.#patrolAt = performance.now() + IDLE_MS;
    if (sqlStateOf(error) === CANCELED) this.#limits.cutOff(this.#wasPatrol ? 'patrol' : 'head');
    await this.#say(`A step failed: ${reasonOf(error)}`).catch(() => {});
    return IDLE_MS;
  }

  /** Ends within about 2 s. A step that is under way is made again by whoever proves next. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const late = () => new Error('late');
    await within(STOP_MS, this.#running, late).catch(() => {});
    const { pool, owner } = this.#options;
    await within(STOP_MS, releaseProofLease(pool, owner), late).catch(() => {});
  }
}
