/** One HTTP request, to its whole answer. Failures are values: the caller decides what they mean. */
import { type Backoff, isUntouched, retryAfterMs } from './retry.ts';

/** What all requests of a client share. */
export type Transport = {
  /** Base URL of the ingest API, without a slash at the end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof fetch;
  readonly attemptTimeoutMs: number;
  readonly deadlineMs: number;
  readonly backoff: Backoff;
};

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** Null if the body of a 202 broke off. Its headers hold the receipt of a single event. */
  readonly text: string | null;
  readonly retryAfterMs: number | null;
  /** Whether it is certain that nothing of the request was appended. */
  readonly isUntouched: boolean;
};
/** There is no answer: the connection broke, or the time was over. */
export type NoAnswer = { readonly status: null; readonly reason: string; readonly cause: unknown };

export type HttpRequest = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly redirect: 'follow' | 'manual';
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
};

const REQUEST_ID = 'orderonce-request-id';

/** Never rejects. */
export async function ask(
  transport: Pick<Transport, 'fetch'>,
  request: HttpRequest,
): Promise<Answer | NoAnswer> {
  const { method, url, headers, body, redirect, timeoutMs, signal } = request;
  // AbortSignal.any() would do this, but Node 20.0 and browsers of 2023 do not have it.
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort(new Error(`No answer within ${Math.round(timeoutMs)} ms`));
  }, timeoutMs);
  const onAbort = () => abort.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  try {
    const options = { method, headers, redirect, signal: abort.signal };
    const send = transport.fetch;
    const answer = await send(url, body === undefined ? options : { ...options, body });
    // An answer that broke off is none, unless its headers say all that matters.
    const text = await answer.text().catch((error: unknown) => {
      if (answer.status === 202) return null;
      throw error;
    });
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      retryAfterMs: retryAfterMs(answer.headers.get('retry-after'), Date.now()),
      isUntouched: isUntouched(answer.status, answer.headers.has(REQUEST_ID)),
    };
  } catch (error) {
    return {
      status: null,
      reason: reasonOf(abort.signal.aborted ? abort.signal.reason : error),
      cause: error,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Posts to the ingest API. A redirect is not followed: a 302 would turn the POST into a GET. */
export function post(
  transport: Transport,
  path: string,
  request: Pick<HttpRequest, 'timeoutMs' | 'signal'> & {
    readonly type: string;
    readonly body: Uint8Array<ArrayBuffer>;
  },
): Promise<Answer | NoAnswer> {
  const { type, ...rest } = request;
  const headers = { ...transport.headers, 'content-type': type };
  return ask(transport, {
    method: 'POST',
    url: transport.url + path,
    redirect: 'manual',
    headers,
    ...rest,
  });
}

/** Waits `ms`, or less if the signal aborts. Never rejects. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}

/** The JSON of an answer. Null if its text broke off or is no JSON: a proxy may have written it. */
export function jsonOf({ text }: Answer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

/** What the API says of an answer that is no success, else the beginning of its text. */
export function detailOf(answer: Answer | NoAnswer): unknown {
  if (answer.status === null) return null;
  return jsonOf(answer)?.detail ?? (answer.text?.slice(0, 200) || null);
}

/** One sentence without a full stop: what came instead of a success. */
export function describe(url: string, answer: Answer | NoAnswer): string {
  if (answer.status === null) return `No answer from ${url}: ${answer.reason}`;
  const detail = detailOf(answer);
  const text = typeof detail === 'string' ? detail : JSON.stringify(detail);
  return `${url} answered ${answer.status}${detail === null ? '' : `: ${text}`}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // The message of fetch is only "fetch failed"; its cause has the reason.
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}
