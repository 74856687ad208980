/**
 * Several processes that serve one port. Each worker runs the same command with its own connections
 * to the log, and they share nothing. The primary process starts a new worker when one ends.
 */
import cluster, { type Worker } from 'node:cluster';
import { AggregatorRegistry, type Registry } from 'prom-client';
import { reasonOf } from '../errors.ts';
import { backoffMs } from './backoff.ts';
import type { Logger } from './logger.ts';
import type { Service } from './service.ts';

const RESTART = { firstMs: 200, mostMs: 10_000 };
/** A worker that ran this long had started properly, so the next one is started without a delay. */
const STARTED_MS = 10_000;
const METRICS_MS = 3000;

export function isWorker(): boolean {
  return cluster.isWorker;
}

type Question = { readonly type: 'orderonce:metrics'; readonly id: number };
type Answer = Question & { readonly text: string };

/** The primary's part: starts the workers, and restarts each that ends, with a growing delay. */
export class Workers implements Service {
  readonly #logger: Logger;
  readonly #aggregator = new AggregatorRegistry();
  readonly #alive = new Set<Worker>();
  readonly #isHopeless: (code: number) => boolean;
  readonly #fail: (reason: string) => void;
  #isStopping = false;
  #failures = 0;

  /**
   * @param isHopeless whether a worker with this exit code would fail again after a restart.
   * @param fail is called in that case, with the reason, instead of starting another worker.
   */
  constructor(
    count: number,
    logger: Logger,
    isHopeless: (code: number) => boolean,
    fail: (reason: string) => void,
  ) {
    this.#logger = logger;
    this.#isHopeless = isHopeless;
    this.#fail = fail;
    for (let i = 0; i < count; i++) this.#fork();
  }

  #fork(): void {
    const startedAt = performance.now();
    const worker = cluster.fork();
    this.#alive.add(worker);
    this.#logger.info({ worker: worker.id, pid: worker.process.pid }, 'Worker started');
    // It could not be started, or what was sent to it did not arrive. If it has ended, 'exit' says so.
    worker.on('error', (error) => {
      this.#logger.error({ worker: worker.id, reason: reasonOf(error) }, 'A worker has an error');
    });
    worker.on('message', (question: Question) => void this.#answer(worker, question));
    worker.on('exit', (code, signal) => {
      this.#alive.delete(worker);
      if (this.#isStopping) return;
      if (this.#isHopeless(code)) return this.#fail(`a worker cannot start (exit code ${code})`);
      this.#failures = performance.now() - startedAt > STARTED_MS ? 0 : this.#failures + 1;
      const delayMs = this.#failures === 0 ? 0 : backoffMs(this.#failures, RESTART);
      this.#logger.error(
        { worker: worker.id, pid: worker.process.pid, code, signal, delayMs },
        'A worker ended',
      );
      setTimeout(() => this.#isStopping || this.#fork(), delayMs);
    });
  }

  async #answer(worker: Worker, { type, id }: Question): Promise<void> {
    if (type !== 'orderonce:metrics') return;
    // If a worker does not answer, no answer is sent: a partial sum would look like a counter
    // reset.
    const text = await this.#aggregator.clusterMetrics().catch(() => null);
    if (text !== null && worker.isConnected()) worker.send({ type, id, text } satisfies Answer);
  }

  /** Asks each worker to stop; each drains. Resolves when all have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#alive].map(async (worker) => {
        const exited = new Promise((done) => worker.once('exit', done));
        worker.process.kill('SIGTERM');
        await exited;
      }),
    );
  }
}

/** In a worker: includes these metrics in what the primary collects. */
export function shareMetrics(registry: Registry): void {
  if (!cluster.isWorker) return;
  // The constructor installs the listener that answers the primary.
  new AggregatorRegistry();
  AggregatorRegistry.setRegistries(registry);
}

let asked = 0;

/** @returns null if this process is not a worker. Rejects if the primary does not answer. */
export function metricsOfAllWorkers(): Promise<string> | null {
  if (!cluster.isWorker) return null;
  const id = ++asked;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error('The primary does not answer')), METRICS_MS);
  const onMessage = (answer: Answer) => {
    if (answer.type === 'orderonce:metrics' && answer.id === id) resolve(answer.text);
  };
  process.on('message', onMessage);
  process.send?.({ type: 'orderonce:metrics', id } satisfies Question);
  return promise.finally(() => {
    clearTimeout(timer);
    process.off('message', onMessage);
  });
}
