/** What has become of an event: GET /events/{event_id} of the consumer. */
import { Rejected, Unauthorized, Unavailable } from './errors.ts';
import { meaningOf, waitMs } from './retry.ts';
import { ask, describe, detailOf, jsonOf, pause, type Transport } from './transport.ts';

export type StatusOptions = {
  /** How long to wait for the event to be processed, in seconds. Default: 0. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
  /** How long to try beyond `wait`, in ms. Default: the client's deadlineMs. */
  readonly deadlineMs?: number;
};

/**
 * Of a stored event, `status` is "stored" and the fields of the event follow. "parked", "waiting" and
 * "discarded" mean that it has not taken effect; `reason` and `payload` then say more.
 */
export type EventStatus = {
  readonly event_id: string;
  readonly status: 'stored' | 'parked' | 'waiting' | 'discarded';
  readonly position: {
    readonly topic: string;
    readonly log_id: number;
    readonly partition: number;
    readonly offset: number;
  };
  readonly [field: string]: unknown;
};

/** The longest ?wait= that the API takes, in seconds. */
const WAIT_MAX = 30;
/** What the API answers to an unknown path, so the URL is wrong. */
const NO_SUCH_PATH = 'Not Found';

/**
 * @returns null if no event with this id has been processed: it may still be in the log.
 * @throws Rejected if the API takes no such id; Unauthorized; Unavailable.
 */
export async function status(
  transport: Transport,
  eventId: string,
  { wait = 0, signal, deadlineMs = transport.deadlineMs }: StatusOptions = {},
): Promise<EventStatus | null> {
  const waitEndsAt = performance.now() + wait * 1000;
  const endsAt = waitEndsAt + deadlineMs;
  for (let attempts = 1, failures = 0; ; attempts++) {
    const waitS = Math.min(
      WAIT_MAX,
      Math.max(0, Math.round((waitEndsAt - performance.now()) / 1000)),
    );
    const path = `/events/${encodeURIComponent(eventId)}${waitS > 0 ? `?wait=${waitS}` : ''}`;
    const leftMs = endsAt - performance.now();
    const answer = await ask(transport, {
      method: 'GET',
      url: transport.url + path,
      headers: transport.headers,
      redirect: 'follow',
      timeoutMs: Math.max(1, Math.min(leftMs, waitS * 1000 + transport.attemptTimeoutMs)),
      signal,
    });
    const body = answer.status === null ? null : jsonOf(answer);
    if (answer.status === 200 && typeof body?.status === 'string') return body as EventStatus;
    const isUnknown = answer.status === 404 && typeof body?.detail === 'string';
    if (isUnknown && body.detail !== NO_SUCH_PATH) {
      if (performance.now() >= waitEndsAt) return null;
      failures = 0;
      // So that answers that come too early do not make this a busy loop.
      await pause(transport.backoff.firstMs, signal);
      continue;
    }
    const failure = {
      events: [],
      attempts,
      status: answer.status,
      detail: detailOf(answer),
      mayHaveBeenAccepted: true,
    };
    const message = describe(transport.url, answer);
    const meaning = answer.status === null ? 'retry' : meaningOf(answer.status);
    if (meaning === 'rejected') throw new Rejected(message, failure);
    if (meaning === 'unauthorized') {
      // A redirect to the consumer does not carry the key along.
      const advice = 'With API keys, status() needs statusUrl and a statusApiKey that may read';
      throw new Unauthorized(`${message}. ${advice}`, failure);
    }
    const pauseMs = waitMs(
      {
        failures: ++failures,
        leftMs: endsAt - performance.now(),
        retryAfterMs: answer.status === null ? null : answer.retryAfterMs,
      },
      transport.backoff,
    );
    const isOver = pauseMs === null || meaning === 'foreign' || signal?.aborted === true;
    if (isOver) throw new Unavailable(message, failure);
    await pause(pauseMs, signal);
  }
}
