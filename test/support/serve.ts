/** Serves routes on a server like that of the product. Requests are injected without a socket. */
import type { TestContext } from 'node:test';
import { createHttpServer, type HttpServer } from '../../src/runtime/http-server.ts';
import { createLogger } from '../../src/runtime/logger.ts';

export type Answer = { readonly status: number; readonly body: ReturnType<typeof JSON.parse> };

export async function serve(t: TestContext, addRoutes: (app: HttpServer) => void) {
  const app = await createHttpServer({
    title: 'test',
    description: '',
    bodyBytesMax: 64 * 1024,
    requestTimeoutMs: 5000,
    logger: createLogger('silent'),
    tls: null,
  });
  addRoutes(app);
  t.after(() => app.close());
  const get = async (url: string): Promise<Answer> => {
    const answer = await app.inject(url);
    return { status: answer.statusCode, body: answer.json() };
  };
  const post = async (
    url: string,
    /** A Buffer is sent unchanged, anything else as JSON. */
    payload?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const type = { 'content-type': 'application/json' };
    const bytes = Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
    const body = payload === undefined ? {} : { payload: bytes };
    const answer = await app.inject({
      method: 'POST',
      url,
      headers: { ...type, host: 'localhost:8001', ...headers },
      ...body,
    });
    return { status: answer.statusCode, body: answer.json() };
  };
  return { get, post };
}
