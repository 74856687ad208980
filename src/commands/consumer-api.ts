/** The consumer's HTTP API, for commands that are to be done with the deployment's own handlers. */
import type { RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { baseUrlOf, consumerPlace } from '../runtime/port.ts';
import type { Settings } from '../settings/settings.ts';
import { parsePlace } from '../store/log-place.ts';

/** Of one request: so a long redrive shows how far it is. */
const RESULTS_OF_ONE = 100;
const ASK_MS = 3000;

type Line = { readonly place: string; readonly outcome: string; readonly message?: string };
type Answer = { readonly results: readonly Line[]; readonly next?: string | null };

export class ConsumerApi {
  readonly baseUrl: string;
  readonly #headers: Record<string, string>;

  /** @param url of the consumer; by default the one that the settings name. */
  constructor(settings: Settings, url: string | undefined, actor: string) {
    this.baseUrl = (url ?? baseUrlOf(consumerPlace(settings))).replace(/\/+$/, '');
    const { API_KEY: key } = settings;
    this.#headers = {
      'content-type': 'application/json',
      'orderonce-actor': actor.replaceAll(/[^\w .@-]/g, '-').slice(0, 100),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
  }

  /** @returns null where nothing answers; else on which database it works, if it says so. */
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

  /** @param place log/partition/offset. */
  async act(
    action: 'redrive' | 'edit' | 'discard',
    place: string,
    body: Buffer | string = '',
  ): Promise<RedriveResult[]> {
    const { results } = await this.#post(`/dead-letters/${place}/${action}`, body);
    return results.map(resultOf);
  }

  /** All that the filter names, as they come. */
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
  const said = `The consumer at ${url} answers ${status}: ${detail}`;
  if (status !== 401 && status !== 403) return new OrderonceError('CONSUMER_UNREACHABLE', said);
  const message = `${said}. Set API_KEY to a key of an admin, or run the command on its machine`;
  return new OrderonceError('SETTING_INVALID', message);
}

function unreachable(url: string, reason: string): OrderonceError {
  const message =
    `No consumer answers at ${url} (${reason}). Start it, name another with --url, or redrive here ` +
    'with --local and the HANDLERS_MODULE of the deployment';
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
  if (at === null) throw new OrderonceError('CONSUMER_UNREACHABLE', `It answers "${place}"`);
  const result = { ...at, outcome: outcome as RedriveResult['outcome'] };
  return message === undefined ? result : { ...result, message };
}
