/** The ingest API over real HTTP, in front of a log that the test controls. */
import type { TestContext } from 'node:test';
import { createLogger } from '../../src/runtime/logger.ts';
import { startProducer } from '../../src/services/producer-service.ts';
import { FakeLog } from './fake-log.ts';
import { testSettings } from './settings.ts';

export async function startIngest(
  t: TestContext,
  env: Record<string, string> = {},
  topic = 'order_events',
) {
  const log = new FakeLog(topic);
  log.isAutomatic = true;
  const service = await startProducer(testSettings(env), log, createLogger('silent'));
  t.after(() => service.stop());
  const url = `http://127.0.0.1:${service.port}`;
  const post = (body: string | object, headers: Record<string, string> = {}) =>
    fetch(`${url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  /** Sends bytes unchanged, with only these headers. */
  const send = async (path: string, body: Buffer | ReadableStream, headers: object) => {
    const options = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    const answer = await fetch(url + path, options);
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text) };
  };
  return { log, service, url, post, send };
}

type Detail = { detail: unknown };
export const detailOf = async (answer: Response) => ((await answer.json()) as Detail).detail;
