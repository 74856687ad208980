import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { until } from '../../test/support/until.ts';
import { createHttpServer } from './http-server.ts';
import { createLogger } from './logger.ts';
import type { ServerTls } from './tls.ts';

describe('The HTTP server', () => {
  async function serve(t: TestContext, tls: ServerTls | null = null) {
    const app = await createHttpServer({
      title: 'test',
      description: '',
      bodyBytesMax: 1024,
      requestTimeoutMs: 5000,
      answerTimeoutMs: 300,
      logger: createLogger('silent'),
      tls,
    });
    t.after(() => app.close());
    app.get('/large', async () => 'x'.repeat(50_000_000));
    app.get('/small', async () => 'x');
    await app.listen({ host: '127.0.0.1', port: 0 });
    return { app, port: (app.server.address() as { port: number }).port };
  }

  const answers = { 'a large answer': ['/large', 1], 'many small answers': ['/small', 100_000] };
  for (const [title, [path, requests]] of Object.entries(answers)) {
    it(`closes the connection of a client that does not read ${title} [G10]`, async (t) => {
      const { app, port } = await serve(t);
      const client = connect(port, '127.0.0.1');
      client.on('error', () => {});
      t.after(() => client.destroy());
      // Nobody listens for data, so the socket does not read.
      client.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(Number(requests)));
      const [connection] = await once(app.server, 'connection');
      await once(connection, 'close', { signal: AbortSignal.timeout(10_000) });
      const answer = await fetch(`http://127.0.0.1:${port}/small`);
      assert.equal(await answer.text(), 'x');
    });
  }

  const skip = NO_OPENSSL;
  it('closes the connection of a client that does not read a large answer under TLS [G10]', {
    skip,
  }, async (t) => {
    const { read, server } = makeCertificates(t);
    const [cert, key] = [readFileSync(server.cert), readFileSync(server.key)];
    const { app, port } = await serve(t, {
      cert,
      key,
      requestCert: false,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    const client = connectTls({ port, host: '127.0.0.1', ca: read('ca') });
    client.on('error', () => {});
    t.after(() => client.destroy());
    client.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [connection] = await once(app.server, 'secureConnection');
    await once(connection, 'close', { signal: AbortSignal.timeout(10_000) });
  });

  it('leaves a connection open whose client has read everything', async (t) => {
    const { app, port } = await serve(t);
    const client = connect(port, '127.0.0.1');
    t.after(() => client.destroy());
    let read = 0;
    client.on('data', () => read++);
    const closed = once(client, 'close').then(() => true);
    const ask = () => client.write('GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const began = performance.now();
    await until('it was asked for three times the limit', () => {
      ask();
      return performance.now() - began > 900;
    });
    assert.ok(read > 0);
    assert.equal(await Promise.race([closed, Promise.resolve(false)]), false);
    assert.ok(app.server.listening);
  });
});
