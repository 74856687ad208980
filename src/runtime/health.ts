import type { FastifyReply } from 'fastify';
import { reasonOf } from '../errors.ts';
import { within } from './deadline.ts';
import type { HttpServer } from './http-server.ts';
import { json, type Operation, record, type Schema } from './operation.ts';
import { RETRY_AFTER } from './operation-errors.ts';

/** A dependency that does not answer within this time counts as unavailable. */
const PROBE_MOST_MS = 3000;

export type HealthReport = {
  /** Reasons why the service cannot work at all at present; empty if it can. */
  readonly troubles: readonly string[];
  /** Reasons why a part of its work is not done, while the rest is. */
  readonly partial?: readonly string[];
  /** Further fields of the answer. */
  readonly facts: Readonly<Record<string, unknown>>;
};

/** What the API description says about the fields that `facts` adds to the answers. */
export type FactsDescription = {
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly example: Readonly<Record<string, unknown>>;
};

/** The fact `event_types`, which both services tell, so that the doctor can compare them. */
export const EVENT_TYPES: Schema = {
  type: 'array',
  items: { type: 'string' },
  description:
    'The declared types of events that it knows, with their versions, such as `order.placed@1`.',
};

const DETAIL = { type: 'string', description: 'The reasons; absent if everything works.' };

/**
 * Adds three routes. `/health` is 503 while anything is wrong; it is for alarms and people.
 * `/health/ready` is 503 only while the service can do none of its work: a load balancer that
 * removed it because of one partition would make the others unreachable too. `/health/live` is
 * always 200, because a restart does not help when a broker or the database is down.
 */
export function addHealthRoutes(
  app: HttpServer,
  report: () => HealthReport,
  described: FactsDescription,
): void {
  const answer = (reply: FastifyReply, isPartEnough: boolean) => {
    const { troubles, partial = [], facts } = report();
    const all = [...troubles, ...partial];
    if (all.length === 0) return reply.send({ status: 'healthy', ...facts });
    const status = troubles.length === 0 ? 'degraded' : 'unhealthy';
    const body = { status, detail: all.join('; '), ...facts };
    if (isPartEnough && troubles.length === 0) return reply.send(body);
    return reply.code(503).header('Retry-After', '1').send(body);
  };
  const { health, ready, live } = operationsOf(described);
  app.get('/health', { config: { operation: health } }, (_, reply) => answer(reply, false));
  app.get('/health/ready', { config: { operation: ready } }, (_, reply) => answer(reply, true));
  app.get('/health/live', { config: { operation: live } }, (_, reply) =>
    reply.send({ status: 'alive' }),
  );
}

function operationsOf({ schemas, example }: FactsDescription) {
  const body = (...statuses: string[]) =>
    record(
      { status: { enum: statuses }, ...schemas },
      { properties: { status: { enum: statuses }, detail: DETAIL, ...schemas } },
    );
  const trouble = { status: 'unhealthy', detail: 'Database: connect ECONNREFUSED', ...example };
  const unwell = (description: string) =>
    json(description, body('degraded', 'unhealthy'), trouble, { 'Retry-After': RETRY_AFTER });
  const tags = ['health'] as const;
  return {
    health: {
      summary: 'Whether anything is wrong, for alarms and people',
      tags,
      responses: {
        200: json('Everything works.', body('healthy'), { status: 'healthy', ...example }),
        503: unwell('Something is wrong; `detail` gives the reasons.'),
      },
    },
    ready: {
      summary: 'Whether the service can do at least a part of its work, for load balancers',
      tags,
      responses: {
        200: json('The service works, at least in part.', body('healthy', 'degraded'), {
          status: 'healthy',
          ...example,
        }),
        503: unwell('The service can do none of its work; `detail` gives the reasons.'),
      },
    },
    live: {
      summary: 'Whether the process answers',
      tags,
      responses: {
        200: json('The process answers.', record({ status: { const: 'alive' } }), {
          status: 'alive',
        }),
      },
    },
  } satisfies Record<string, Operation>;
}

/** Checks a dependency periodically, so that a health page answers without waiting for it. */
export class Probe {
  readonly #check: () => Promise<void>;
  #trouble: string | null = 'Not checked yet';
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(check: () => Promise<void>) {
    this.#check = check;
  }

  /**
   * Resolves after the first check. Further checks follow every `everyMs`, one at a time; while the
   * dependency fails, ten times as often, so that its recovery shows soon.
   */
  async start(everyMs: number): Promise<void> {
    await this.turn();
    if (this.#stopped) return;
    const wait = this.#trouble === null ? everyMs : everyMs / 10;
    this.#timer = setTimeout(() => void this.start(everyMs), wait);
    this.#timer.unref();
  }

  /** Checks once. */
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
