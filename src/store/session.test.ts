/** A server that ends sessions at the worst moments does not end the process. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { it, type TestContext } from 'node:test';
import { createPool } from './pool.ts';

const message = (type: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};
const AUTHENTICATED = message('R', Buffer.alloc(4));
const READY = message('Z', Buffer.from('I'));
const ENDED = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
);
const FACTS = ['server', 'isStandby', 'isReadOnly', 'pid'];
const field = (name: string) =>
  Buffer.concat([
    Buffer.from(`${name}\0`),
    Buffer.alloc(6),
    Buffer.from([0, 0, 0, 25, 255, 255]),
    Buffer.alloc(6),
  ]);
const value = (text: string) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
};
const count = (n: number) => Buffer.from([0, n]);
/** The answer to the statement by which a session reads facts when it begins. */
const ANSWER = Buffer.concat([
  message('T', Buffer.concat([count(FACTS.length), ...FACTS.map(field)])),
  message('D', Buffer.concat([count(4), ...['now', '', '', '0'].map(value)])),
  message('C', Buffer.from('SELECT 1\0')),
]);

/** A server with the part of the protocol that is needed; `answers` are its answers to messages. */
async function serve(t: TestContext, ...answers: Buffer[]): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let n = 0;
    socket.on(
      'data',
      () => void socket.write(answers[Math.min(n++, answers.length - 1)] as Buffer),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return `postgres://shop:word@127.0.0.1:${port}/orders?sslmode=disable`;
}

const welcome = Buffer.concat([AUTHENTICATED, READY]);
for (const [moment, answers] of [
  ['in the very packet that welcomes us', [Buffer.concat([welcome, ENDED])]],
  ['in the packet of the first answer', [welcome, Buffer.concat([ANSWER, READY, ENDED])]],
  [
    'in the packet of an answer',
    [welcome, Buffer.concat([ANSWER, READY]), Buffer.concat([READY, ENDED])],
  ],
  ['instead of an answer', [welcome, Buffer.concat([ANSWER, READY]), ENDED]],
] as const) {
  it(`a session that is ended ${moment} ends no process [G6]`, async (t) => {
    const connectionString = await serve(t, ...answers);
    const limits = { connectionsMax: 2, queryTimeoutMs: 500 };
    const pool = createPool({ connectionString, name: 'test', ...limits });
    t.after(() => pool.end());
    for (let i = 0; i < 3; i++) {
      const session = await pool.connect().catch(() => null);
      if (session === null) continue;
      await session.query('SELECT 1').catch(() => {});
      await new Promise((done) => setImmediate(done));
      session.release();
    }
    assert.ok(true);
  });
}
