/**
 * The client of the consumer's HTTP API. Commands that make events take effect use it, because the
 * consumer runs the deployment's handlers.
 */
import type { RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { baseUrlOf, consumerPlace } from '../runtime/port.ts';
import type { Settings } from '../settings/settings.ts';
import { parsePlace } from '../store/log-place.ts';

/** A redrive of many is split into requests of this size, so that its progress can be shown. */
const RESULTS_OF_ONE = 100;
const ASK_MS = 3000;

type Line = { readonly place: string; readonly outcome: string; readonly message?: string };
type Answer = { readonly results: readonly Line[]; readonly next?: string | null };

/** One consumer, and who asks it. */
export class ConsumerApi {
  readonly baseUrl: string;
  readonly #headers: Record<string, string>;

  /**
   * @param url base URL of the consumer. Default: HOST and CONSUMER_PORT of the settings.
   * @param actor who asks, for the audit. Characters that the API does not accept become hyphens.
   */
  constructor(settings: Settings, url: string | undefined, actor: string) {
    this.baseUrl = (url ?? baseUrlOf(consumerPlace(settings))).replace(/\/+$/, '');
    const { API_KEY: key } = settings;
    this.#headers = {
      'content-type': 'application/json',
      'orderonce-actor': actor.replaceAll(/[^\w .@-]/g, '-').slice(0, 100),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
  }

  /**
   * Asks for the id of the database (`deployment`) that the consumer works on.
   * @returns null if nothing answers within 3 s; a null `deployment` if the answer does not say it.
   */
  async ask(): Promise<{ readonly deployment: string | null } | null> {
    try {
      const signal = AbortSignal.timeout(ASK_MS);
      const answer = await fetch(`${this.baseUrl}/health`, { signal });
      const { deployment } = (await answer.json()) as { deployment?: unknown };
      return { deployment: typeof deployment === 'string' ? deployment : null };
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
    const { results } = await this.#post(`/dead-letters/${place}/${action}`, body);
    return results.map(resultOf);
  }

  /**
   * Redrives all parked dead letters that match the filter; without a filter, all parked ones. Each
   * result is given when its request is answered.
   */
  async *redriveMatching(filter: {
    readonly reason?: string | undefined;
    readonly orderId?: string | undefined;
  }): AsyncGenerator<RedriveResult> {
    const query = new URLSearchParams({ limit: String(RESULTS_OF_ONE) });
    const { reason, orderId } = filter;
    if (reason !== undefined) query.set('reason', reason);
    if (orderId !== undefined) query.set('order_id', orderId);
    if (reason === undefined && orderId === undefined) query.set('all', 'true');
    for (;;) {
      const { results, next } = await this.#post(`/dead-letters/redrive?${query}`, '');
      yield* results.map(resultOf);
      if (next === undefined || next === null) return;
      query.set('after', next);
    }
  }

  async #post(path: string, body: Buffer | string): Promise<Answer> {
    const url = `${this.baseUrl}${path}`;
    const request = { method: 'POST', headers: this.#headers, body };
    const answer = await fetch(url, request as RequestInit).catch((error: unknown) => {
      throw unreachable(this.baseUrl, reasonOf((error as { cause?: unknown }).cause ?? error));
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as Answer;
    throw refusalOf(answer.status, this.baseUrl, detailIn(text));
  }
}

function refusalOf(status: number, url: string, detail: string): OrderonceError {
  if (status === 404) return new OrderonceError('DEAD_LETTER_UNKNOWN', detail);
  if (status === 422) return new OrderonceError('EDIT_REFUSED', detail);
  const said = `The consumer at ${url} answered ${status}: ${detail}`;
  if (status !== 401 && status !== 403) return new OrderonceError('CONSUMER_UNREACHABLE', said);
  const message = `${said}. Set API_KEY to a key of role admin, or run the command on the machine of the consumer`;
  return new OrderonceError('SETTING_INVALID', message);
}

function unreachable(url: string, reason: string): OrderonceError {
  const message =
    `No consumer answers at ${url} (${reason}). Start it, set the URL of another one with --url, or ` +
    'use --local with the HANDLERS_MODULE of the deployment';
  return new OrderonceError('CONSUMER_UNREACHABLE', message);
}

function detailIn(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === 'string' ? detail : JSON.stringify(detail);
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
