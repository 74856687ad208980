/** Asks a producer or consumer for its health. */
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { baseUrlOf, type ListenPlace } from './port.ts';

export type HealthAnswer = {
  readonly url: string;
  readonly isHealthy: boolean;
  /** The reasons that the service gives if it is not healthy. */
  readonly detail: string;
  /** Further fields of the answer; empty if what answers is no service of this release. */
  readonly facts: Readonly<Record<string, unknown>>;
};

/** @returns null if nothing answers within `timeoutMs`. */
export async function askHealth(
  place: ListenPlace,
  timeoutMs: number,
): Promise<HealthAnswer | null> {
  const url = `${baseUrlOf(place)}/health`;
  const get = place.scheme === 'https' ? getHttps : getHttp;
  const { promise, resolve } = Promise.withResolvers<HealthAnswer | null>();
  // The certificate is not verified: it need not be valid for a name of this machine, and the
  // request contains nothing secret.
  const options = { rejectUnauthorized: false, signal: AbortSignal.timeout(timeoutMs) };
  const request = get(url, options, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('error', () => resolve(null));
    answer.on('end', () => {
      const said = saidIn(Buffer.concat(chunks).toString());
      resolve({ url, isHealthy: answer.statusCode === 200, ...said });
    });
  });
  request.on('error', () => resolve(null));
  return await promise;
}

function saidIn(text: string): Pick<HealthAnswer, 'detail' | 'facts'> {
  try {
    const { detail = '', ...facts } = JSON.parse(text) as Record<string, unknown>;
    return { detail: String(detail), facts };
  } catch {
    return { detail: text.slice(0, 200), facts: {} };
  }
}
