/** Clients in front of servers that fail, and what they make of the answers. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import {
  type Client,
  type ClientOptions,
  createClient,
  type SendManyOptions,
  type Verdict,
} from '../../src/client/index.ts';
import { FailingApi, type Fault } from './failing-api.ts';

export const QUICK = { deadlineMs: 5000, backoff: { firstMs: 1, mostMs: 5 } };

/** A client of a server that fails as this script says, then no more. */
export async function failing(
  t: TestContext,
  faults: Fault[],
  options: Partial<ClientOptions> = {},
) {
  const api = await FailingApi.start(faults);
  t.after(() => api.stop());
  return { api, client: createClient({ url: api.url, ...QUICK, ...options }) };
}

/** A client of a server that answers each request with this. */
export async function answering(
  t: TestContext,
  answer: { status: number; body?: string; headers?: Record<string, string> },
  options: Partial<ClientOptions> = {},
) {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    request.resume();
    request.on('end', () => {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { paths, client: createClient({ url, ...QUICK, ...options }) };
}

/** What the promise rejects with. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail('It did not reject'),
    (error: unknown) => error,
  );

/** All verdicts, and the error at the end if there was one. */
export async function collect(
  client: Client,
  source: Parameters<Client['sendMany']>[0],
  options: SendManyOptions = {},
) {
  const verdicts: Verdict[] = [];
  try {
    for await (const verdict of client.sendMany(source, options)) verdicts.push(verdict);
  } catch (error) {
    return { verdicts, error };
  }
  return { verdicts, error: null };
}
export const statusesOf = (verdicts: readonly Verdict[]) => verdicts.map(({ status }) => status);
