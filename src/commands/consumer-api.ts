/**
 * The client of the consumer's HTTP API. Commands that make events take effect use it, because the
 * consumer runs the deployment's handlers; and those that show what only a consumer knows.
 */
import type { JobAnswer } from '../admin/job-answer.ts';
import type { RedriveResult } from '../dead-letters/redrive-one.ts';
import { type ErrorCode, OrderonceError, reasonOf } from '../errors.ts';
import { baseUrlOf, consumerPlace } from '../runtime/port.ts';
import type { Settings } from '../settings/settings.ts';
import { parsePlace } from '../store/log-place.ts';

const ASK_MS = 3000;
/** A plan takes 5 s, and a busy database longer. */
const ANSWER_MS = 30_000;

type Line = { readonly place: string; readonly outcome: string; readonly message?: string };
/** The codes of answers that say that the request is wrong. */
type Refusals = Readonly<Record<number, ErrorCode>>;

const OF_LETTERS: Refusals = { 404: 'DEAD_LETTER_UNKNOWN', 422: 'EDIT_REFUSED' };
const OF_OTHERS: Refusals = {
  404: 'NOTHING_MATCHES',
  409: 'SETTING_INVALID',
  422: 'SETTING_INVALID',
};

/** What a dry run answers. */
export type PlanAnswer = {
  readonly count: number;
  readonly total: number;
  readonly tried: readonly Line[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly needs: readonly string[];
};

/** What a request for a job says; undefined fields are left out. */
export type JobRequest = {
  readonly filter?: {
    readonly reason?: string | undefined;
    readonly order_id?: string | undefined;
  };
  readonly places?: readonly string[];
  readonly dry_run?: boolean;
  readonly count?: number | undefined;
  readonly reason?: string | undefined;
  readonly per_second?: number | undefined;
  readonly first?: number | undefined;
};

/** One consumer, and who asks it. */
export class ConsumerApi {
  readonly baseUrl: string;
  readonly #headers: Record<string, string>;

  /**
   * @param url base URL of the consumer. Default: HOST and CONSUMER_PORT of the settings.
   * @param actor who asks, for the audit. Characters that the API does not accept become hyphens.
   * @throws SETTING_INVALID if the URL is not one of HTTP.
   */
  constructor(settings: Settings, url: string | undefined, actor = '') {
    if (url !== undefined && !/^https?:\/\/[^/]/.test(url)) {
      throw new OrderonceError('SETTING_INVALID', '--url must look like http://host:8001');
    }
    this.baseUrl = (url ?? baseUrlOf(consumerPlace(settings))).replace(/\/+$/, '');
    const { API_KEY: key } = settings;
    this.#headers = {
      'content-type': 'application/json',
      'orderonce-actor': encodeURIComponent(
        actor.replaceAll(/[^\p{L}\p{M}\p{N} _.,'’@+-]/gu, '-').slice(0, 100),
      ),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
  }

  /**
   * Asks for the id of the database (`deployment`) that the consumer works on, and its topics.
   * @returns null if nothing answers within 3 s; a null `deployment` if the answer does not say it.
   */
  async ask(): Promise<{ readonly deployment: string | null; readonly topic: string } | null> {
    try {
      const signal = AbortSignal.timeout(ASK_MS);
      const answer = await fetch(`${this.baseUrl}/health`, { signal });
      const { deployment, topic } = (await answer.json()) as Record<string, unknown>;
      return {
        deployment: typeof deployment === 'string' ? deployment : null,
        topic: String(topic ?? ''),
      };
    } catch {
      return null;
    }
  }

  /**
   * Redrives, edits or discards one dead letter.
   * @param place log/partition/offset.
   * @throws DEAD_LETTER_UNKNOWN, EDIT_REFUSED, CONSUMER_UNREACHABLE; SETTING_INVALID if the
   * consumer does not allow it.
   */
  async act(
    action: 'redrive' | 'edit' | 'discard',
    place: string,
    body: Buffer | string = '',
  ): Promise<RedriveResult[]> {
    const path = `/dead-letters/${place}/${action}`;
    const { results } = await this.#json<{ results: readonly Line[] }>(path, OF_LETTERS, { body });
    return results.map(resultOf);
  }

  /**
   * Reads what a path answers.
   * @throws NOTHING_MATCHES, SETTING_INVALID, CONSUMER_UNREACHABLE
   */
  async get<T>(path: string, waitMs = ANSWER_MS): Promise<T> {
    return await this.#json<T>(path, OF_OTHERS, { waitMs });
  }

  /** What a job would do. Nothing is changed. @throws as get() */
  async plan(request: JobRequest): Promise<PlanAnswer> {
    const body = JSON.stringify({ ...request, dry_run: true });
    return await this.#json('/redrives', OF_OTHERS, { body, waitMs: ANSWER_MS });
  }

  /** Starts a job. @throws as get() */
  async start(request: JobRequest): Promise<JobAnswer> {
    const body = JSON.stringify(request);
    return await this.#json('/redrives', OF_OTHERS, { body, waitMs: ANSWER_MS });
  }

  /** Stops a job after the dead letter under way. @throws as get() */
  async stop(job: string): Promise<JobAnswer> {
    return await this.#json(`/redrives/${job}/stop`, OF_OTHERS, { body: '{}', waitMs: ANSWER_MS });
  }

  /** Opens the stream of live updates behind the event with this id. @throws as get() */
  async stream(path: string, lastId: string | null, signal: AbortSignal) {
    const last: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId };
    const answer = await this.#ask(path, { headers: { ...this.#headers, ...last }, signal });
    if (answer.ok && answer.body !== null) return answer.body;
    throw refusalOf(answer.status, this.baseUrl, detailIn(await answer.text()), OF_OTHERS);
  }

  async #json<T>(
    path: string,
    refusals: Refusals,
    { body, waitMs }: { body?: Buffer | string; waitMs?: number },
  ): Promise<T> {
    const signal = waitMs === undefined ? null : AbortSignal.timeout(waitMs);
    const method = body === undefined ? 'GET' : 'POST';
    const request = { method, headers: this.#headers, body, signal };
    const answer = await this.#ask(path, request as RequestInit);
    const text = await answer.text().catch((error: unknown) => {
      throw unreachable(this.baseUrl, reasonOf(error));
    });
    if (!answer.ok) throw refusalOf(answer.status, this.baseUrl, detailIn(text), refusals);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw unreachable(this.baseUrl, 'what answers there is not a consumer');
    }
  }

  async #ask(path: string, request: RequestInit): Promise<Response> {
    return await fetch(`${this.baseUrl}${path}`, request).catch((error: unknown) => {
      throw unreachable(this.baseUrl, reasonOf((error as { cause?: unknown }).cause ?? error));
    });
  }
}

function refusalOf(
  status: number,
  url: string,
  detail: string,
  refusals: Refusals,
): OrderonceError {
  const code = refusals[status];
  if (code !== undefined) return new OrderonceError(code, detail);
  const said = `The consumer at ${url} answered ${status}: ${detail}`;
  if (status === 503 && detail.startsWith('DATABASE_UNAVAILABLE')) {
    return new OrderonceError('DATABASE_UNAVAILABLE', said);
  }
  if (status !== 401 && status !== 403) return new OrderonceError('CONSUMER_UNREACHABLE', said);
  const message = `${said}. Set API_KEY to a key that may do it (to read: role read; to change: role admin), or run the command on the machine of the consumer`;
  return new OrderonceError('SETTING_INVALID', message);
}

function unreachable(url: string, reason: string): OrderonceError {
  const message = `No consumer answers at ${url} (${reason}). Start it, or set the URL of another one with --url`;
  return new OrderonceError('CONSUMER_UNREACHABLE', message);
}

type FieldProblem = { readonly loc?: readonly unknown[]; readonly msg?: unknown };

/** The answer's reason as text; the errors of fields with the names of the fields. */
function detailIn(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (typeof detail === 'string') return detail;
    const problems = detail as readonly FieldProblem[];
    return problems.map(({ loc = [], msg }) => `${loc.slice(1).join('.')}: ${msg}`).join('; ');
  } catch {
    return text.slice(0, 200);
  }
}

function resultOf({ place, outcome, message }: Line): RedriveResult {
  const at = parsePlace(place);
  if (at === null) {
    const message = `The consumer answered with "${place}", which is not log/partition/offset`;
    throw new OrderonceError('CONSUMER_UNREACHABLE', message);
  }
  const result = { ...at, outcome: outcome as RedriveResult['outcome'] };
  return message === undefined ? result : { ...result, message };
}
