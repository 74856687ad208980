import type { FastifyReply } from 'fastify';
import { reasonOf } from '../errors.ts';
import { within } from './deadline.ts';
import type { HttpServer } from './http-server.ts';

/** A dependency that does not answer for so long is not there. */
const PROBE_MOST_MS = 3000;

export type HealthReport = {
  /** Why the service cannot do its job now, in words; empty when it can. */
  readonly troubles: readonly string[];
  /** What it cannot do of its job, while it does the rest. */
  readonly partial?: readonly string[];
  /** Anything worth reading beside it. */
  readonly facts: Readonly<Record<string, unknown>>;
};

/**
 * `/health` is red while anything is wrong, for alarms and people. `/health/ready` is red only while
 * the service can do nothing of its job: a load balancer that took it away for one partition would
 * take the others away too. `/health/live` is never red while it answers at all: a restart does not
 * bring back a broker that is down.
 */
export function addHealthRoutes(app: HttpServer, report: () => HealthReport): void {
  const answer = (reply: FastifyReply, isPartEnough: boolean) => {
    const { troubles, partial = [], facts } = report();
    const all = [...troubles, ...partial];
    if (all.length === 0) return reply.send({ status: 'healthy', ...facts });
    const status = troubles.length === 0 ? 'degraded' : 'unhealthy';
    const body = { status, detail: all.join('; '), ...facts };
    if (isPartEnough && troubles.length === 0) return reply.send(body);
    return reply.code(503).header('Retry-After', '1').send(body);
  };
  const schema = (summary: string) => ({ schema: { summary, tags: ['health'] } });
  app.get('/health', schema('Whether the service can do all of its job, and why not'), (_, reply) =>
    answer(reply, false),
  );
  app.get(
    '/health/ready',
    schema('For load balancers: red while the service can do nothing of its job'),
    (_, reply) => answer(reply, true),
  );
  app.get('/health/live', schema('Whether the process answers'), (_, reply) =>
    reply.send({ status: 'alive' }),
  );
}

/** Asks a dependency every so often whether it is there, so that health answers at once. */
export class Probe {
  readonly #check: () => Promise<void>;
  #trouble: string | null = 'Not checked yet';
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(check: () => Promise<void>) {
    this.#check = check;
  }

  /**
   * Resolves after the first check; the next ones follow by themselves, one at a time, and sooner
   * while there is trouble, so that its end shows at once.
   */
  async start(everyMs: number): Promise<void> {
    await this.turn();
    if (this.#stopped) return;
    const wait = this.#trouble === null ? everyMs : everyMs / 10;
    this.#timer = setTimeout(() => void this.start(everyMs), wait);
    this.#timer.unref();
  }

  async turn(): Promise<void> {
    try {
      const late = () => new Error(`No answer within ${PROBE_MOST_MS} ms`);
      await within(PROBE_MOST_MS, this.#check(), late);
      this.#trouble = null;
    } catch (error) {
      this.#trouble = reasonOf(error);
    }
  }

  /** Why the dependency cannot be used, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
