import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { createHttpServer } from './http-server.ts';
import { createLogger } from './logger.ts';

describe('The HTTP server', () => {
  it('closes the connection of a client that does not read its answer [G10]', async (t) => {
    const app = await createHttpServer({
      title: 'test',
      description: '',
      bodyBytesMax: 1024,
      requestTimeoutMs: 5000,
      answerTimeoutMs: 300,
      logger: createLogger('silent'),
      tls: null,
    });
    t.after(() => app.close());
    app.get('/large', async () => 'x'.repeat(50_000_000));
    app.get('/small', async () => 'x');
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as { port: number };
    const client = connect(port, '127.0.0.1');
    t.after(() => client.destroy());
    // Nobody listens for data, so the socket does not read.
    client.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [connection] = await once(app.server, 'connection');
    await once(connection, 'close', { signal: AbortSignal.timeout(10_000) });
    const answer = await fetch(`http://127.0.0.1:${port}/small`);
    assert.equal(await answer.text(), 'x');
  });
});
