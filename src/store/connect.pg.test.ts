/** With which server a session is opened. */
import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { asAdmin, createDatabase } from '../../test/support/database.ts';
import { createPool } from './pool.ts';

/** A port on which nothing listens. */
const NOBODY = '127.0.0.9';

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const open = (hosts: string, query = '') => {
    const { username, password, pathname } = new URL(db.url);
    const connectionString = `postgres://${username}:${password}@${hosts}${pathname}?${query}`;
    const limits = { connectionsMax: 2, queryTimeoutMs: 5000 };
    const pool = createPool({ connectionString, name: 'test', ...limits });
    t.after(() => pool.end());
    return pool;
  };
  return { ...db, open, port: Number(new URL(db.url).port) };
}

/** A server that accepts connections and never answers, like a host that is frozen. */
async function freeze(t: TestContext, address: string, port: number): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {})));
  await new Promise<void>((done) => server.listen(port, address, done));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
}

describe('A session is opened', () => {
  it('with the first host that answers; one that hangs costs its time-out once', async (t) => {
    const { open, port } = await setUp(t);
    await freeze(t, '127.0.0.2', port);
    const pool = open(`${NOBODY}:${port},127.0.0.2:${port},127.0.0.1:${port}`, 'connect_timeout=1');
    await pool.query('SELECT 1');
    const started = performance.now();
    const first = await pool.connect();
    await pool.query('SELECT 1');
    first.release();
    assert.ok(performance.now() - started < 900);
  });

  it('with the first address of a name that answers, and names are asked for each time', async (t) => {
    const { open, port } = await setUp(t);
    let addresses = [NOBODY, '127.0.0.1'];
    t.mock.method(dns, 'lookup', async () => addresses.map((address) => ({ address, family: 4 })));
    const pool = open(`db.example:${port}`);
    await pool.query('SELECT 1');
    addresses = [NOBODY, '127.0.0.8'];
    const kept = await pool.connect();
    await assert.rejects(pool.query('SELECT 1'), ({ message }: Error) => {
      return message.includes(NOBODY) && message.includes('127.0.0.8');
    });
    addresses = ['127.0.0.1'];
    await pool.query('SELECT 1');
    kept.release();
  });

  it('only with a server of the role that target_session_attrs asks for, and says what it found', async (t) => {
    const { open, name, port } = await setUp(t);
    const host = `127.0.0.1:${port}`;
    const ask = (attributes: string, hosts = host) =>
      open(hosts, `target_session_attrs=${attributes}`).query('SELECT 1');
    for (const attributes of ['any', 'read-write', 'primary', 'prefer-standby'])
      await ask(attributes);
    await assert.rejects(ask('standby'), /a primary that accepts writes.*target_session_attrs/);
    await asAdmin((admin) =>
      admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`),
    );
    await ask('read-only');
    await open(host).query('SELECT 1');
    await assert.rejects(ask('read-write'), /127.0.0.1:\d+ is read-only/);
    await assert.rejects(ask('read-write', `${host},${NOBODY}:${port}`), {
      code: 'DATABASE_UNAVAILABLE',
      message: /is read-only.*ECONNREFUSED 127.0.0.9/,
    });
  });

  it('one at a time while the server is away, however many wait', async (t) => {
    const { open } = await setUp(t);
    let attempts = 0;
    const server = createServer((socket) => {
      attempts++;
      socket.destroy();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const pool = open(`127.0.0.1:${port}`, 'sslmode=disable');
    await assert.rejects(pool.query('SELECT 1'));
    attempts = 0;
    const all = Array.from({ length: 50 }, () => pool.query('SELECT 1'));
    const results = await Promise.allSettled(all);
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.ok(attempts <= 2, `${attempts} attempts`);
  });
});
