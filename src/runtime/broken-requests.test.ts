import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it } from 'node:test';
import { createHttpServer } from './http-server.ts';
import { createLogger } from './logger.ts';

it('a client that resets its connection behind CONNECT does not end the process', async (t) => {
  const app = await createHttpServer({
    title: 'test',
    description: '',
    bodyBytesMax: 1024,
    requestTimeoutMs: 5000,
    logger: createLogger('silent'),
    tls: null,
  });
  t.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as { port: number };
  for (let i = 0; i < 50; i++) {
    const client = connect(port, '127.0.0.1');
    const seen = once(app.server, 'connect');
    const [connection] = await once(app.server, 'connection');
    client.write(`CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n`);
    const [, socket] = await seen;
    assert.ok(socket.listenerCount('error') > 0, 'its errors would be thrown');
    client.on('error', () => {});
    client.resetAndDestroy();
    if (!connection.destroyed) await once(connection, 'close').catch(() => {});
  }
});
