/** Sends one event: the same bytes, until the API accepts or rejects it or the deadline passes. */
import { type ClientError, type Failure, Rejected, Unauthorized, Unknown } from './errors.ts';
import { answeredId, type Payload, payloadOf } from './payload.ts';
import { meaningOf, waitMs } from './retry.ts';
import {
  type Answer,
  describe,
  detailOf,
  jsonOf,
  type NoAnswer,
  pause,
  post,
  type Transport,
} from './transport.ts';

export type SendOptions = {
  /** Ends the attempts. send() then rejects with Unknown. */
  readonly signal?: AbortSignal;
  /** How long to try, in ms. Default: the client's deadlineMs. */
  readonly deadlineMs?: number;
};

/**
 * The log has acknowledged the event: it is durable. `topic`, `partition`, `offset` and `request_id`
 * come from headers; they are null if something between client and API removes these.
 */
export type Receipt = {
  /** In the API's form: a UUID is in lower case. */
  readonly event_id: string;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly offset: number | null;
  /** The id of the request that was acknowledged. */
  readonly request_id: string | null;
  /** The URL of the event's status. */
  readonly location: string | null;
};

/**
 * @throws Rejected, Unauthorized, Unknown; TypeError if JSON cannot represent the event.
 */
export async function send(
  transport: Transport,
  given: object,
  { signal, deadlineMs = transport.deadlineMs }: SendOptions = {},
): Promise<Receipt> {
  const payload = payloadOf(given);
  const endsAt = performance.now() + deadlineMs;
  let last: Answer | NoAnswer | null = null;
  let isMaybeThere = false;
  for (let attempts = 0; ; attempts++) {
    const failure = { events: [payload.event], attempts, mayHaveBeenAccepted: isMaybeThere };
    const leftMs = endsAt - performance.now();
    if (signal?.aborted) throw unknown('Aborted', transport, last, { ...failure, signal });
    if (leftMs <= 0) throw unknown('The deadline passed', transport, last, failure);
    const answer = await post(transport, '/events', {
      type: 'application/json',
      body: payload.bytes,
      timeoutMs: Math.min(transport.attemptTimeoutMs, leftMs),
      signal,
    });
    const receipt = receiptOf(answer, payload);
    if (receipt !== null) return receipt;
    const isFinal = finalError(transport, answer, { ...failure, attempts: attempts + 1 });
    if (isFinal !== null) throw isFinal;
    last = answer;
    isMaybeThere ||= answer.status === null || !answer.isUntouched;
    const wait = waitMs(
      {
        failures: attempts + 1,
        leftMs: endsAt - performance.now(),
        retryAfterMs: answer.status === null ? null : answer.retryAfterMs,
      },
      transport.backoff,
    );
    if (wait === null && !signal?.aborted) {
      const now = { ...failure, attempts: attempts + 1, mayHaveBeenAccepted: isMaybeThere };
      throw unknown('The deadline leaves no time for another attempt', transport, last, now);
    }
    await pause(wait ?? 0, signal);
  }
}

/** @returns null unless the answer says that the log has acknowledged the event. */
function receiptOf(answer: Answer | NoAnswer, { event }: Payload): Receipt | null {
  if (answer.status !== 202) return null;
  const { headers } = answer;
  const number = (name: string) => {
    const text = headers.get(name);
    return text === null ? null : Number(text);
  };
  const offset = number('orderonce-offset');
  // The receipt is in the headers, so it counts even if the body broke off.
  if (offset === null && jsonOf(answer)?.status !== 'accepted') return null;
  return {
    event_id: answeredId(event),
    topic: headers.get('orderonce-topic'),
    partition: number('orderonce-partition'),
    offset,
    request_id: headers.get('orderonce-request-id'),
    location: headers.get('location'),
  };
}

/** @returns the error of an answer after which another attempt is useless; null after all others. */
export function finalError(
  { url }: Transport,
  answer: Answer | NoAnswer,
  failure: Pick<Failure, 'events' | 'attempts' | 'mayHaveBeenAccepted'>,
): ClientError | null {
  if (answer.status === null) return null;
  const message = describe(url, answer);
  const all = { ...failure, status: answer.status, detail: detailOf(answer) };
  switch (meaningOf(answer.status)) {
    case 'rejected':
      return new Rejected(message, all);
    case 'unauthorized':
      return new Unauthorized(message, all);
    case 'foreign':
      return new Unknown(`${message}. This is no answer of the ingest API: check the URL`, {
        ...all,
        mayHaveBeenAccepted: true,
      });
    default:
      return null;
  }
}

/** The error for an event that the client gives up. */
export function unknown(
  why: string,
  { url }: Transport,
  last: Answer | NoAnswer | null,
  failure: Pick<Failure, 'events' | 'attempts' | 'mayHaveBeenAccepted'> & {
    readonly signal?: AbortSignal;
  },
): Unknown {
  const { signal, ...rest } = failure;
  const message = last === null ? why : `${why}. ${describe(url, last)}`;
  const cause = signal?.aborted ? signal.reason : last?.status === null ? last.cause : undefined;
  const detail = last === null ? null : detailOf(last);
  return new Unknown(message, { ...rest, status: last?.status ?? null, detail, cause });
}
