/** `orderonce doctor` with the embedded log, in the set-ups that the documentation describes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { createDatabase } from '../../test/support/database.ts';
import { asRole } from '../../test/support/roles.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { makeKey } from '../access/api-keys.ts';
import { createLogger } from '../runtime/logger.ts';
import { startConsumer } from '../services/consumer-service.ts';
import { createLog, openAppender, openReader } from '../services/open-log.ts';
import { startProducer } from '../services/producer-service.ts';
import { examine } from './doctor.ts';
import type { Finding } from './finding.ts';

/** A database with tables and log; no service runs. */
async function setUp(t: TestContext, env: Record<string, string> = {}) {
  const db = await createDatabase(t);
  const ports = { PRODUCER_PORT: '1', CONSUMER_PORT: '2' };
  const settings = testSettings({ DATABASE_URL: db.url, ...ports, ...env });
  await createLog(settings, () => db.pool);
  return { db, settings };
}

const notOk = (findings: readonly Finding[]) =>
  findings
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, area, check }) => `${verdict} ${area}: ${check}`);
const rightsIn = (findings: readonly Finding[]) => findings.find(({ check }) => check === 'rights');
/** The warnings of this set-up under every role. */
const IDLE = ['warn kafka: log', 'warn services: producer', 'warn services: consumer'];

describe('orderonce doctor', () => {
  it('finds the least-privileged role of a consumer fit, and that of readers fit to read', async (t) => {
    const { db, settings } = await setUp(t);
    const consumer = await asRole(t, db, 'orderonce_consumer');
    const reader = await asRole(t, db, 'orderonce_reader');
    for (const [pool, found] of [
      [db.pool, /all that consumer and commands need/],
      [consumer, /all that consumer and commands need/],
      [reader, /read-only: enough for verify/],
    ] as const) {
      const findings = await examine(settings, pool);
      assert.deepEqual(notOk(findings), IDLE);
      assert.match(rightsIn(findings)?.found ?? '', found);
    }
  });

  it('names the rights that are missing, by column, and never advises to give more', async (t) => {
    const { db, settings } = await setUp(t);
    const role = await asRole(t, db, null);
    await db.pool.query(`GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ${role.name}`);
    const { verdict, found, remedy } = rightsIn(await examine(settings, role)) ?? {};
    assert.equal(verdict, 'fail');
    assert.match(found ?? '', /UPDATE \(event_id\) on duplicates/);
    assert.match(found ?? '', /UPDATE \(digest\) on conflicts/);
    assert.match(found ?? '', /DELETE on event_log/);
    assert.doesNotMatch(found ?? '', /processed_events/);
    assert.match(remedy ?? '', /member of orderonce_consumer .*"orderonce migrate"/);
    assert.doesNotMatch(remedy ?? '', /GRANT/);
  });

  it('blames a module that cannot be loaded, and not PostgreSQL', async (t) => {
    const { db, settings } = await setUp(t, { EVENTS_MODULE: '/nowhere/events.ts' });
    const findings = await examine(settings, db.pool);
    const of = (name: string) => findings.find(({ check }) => check === name);
    assert.equal(of('reachable')?.verdict, 'ok');
    assert.equal(of('tables')?.verdict, 'fail');
    assert.match(of('tables')?.found ?? '', /events\.ts/);
    assert.match(of('tables')?.remedy ?? '', /EVENTS_MODULE/);
    assert.ok(of('rights') !== undefined, 'the other findings are there');
  });

  it('asks for no right to a table that is not used', async (t) => {
    const { db, settings } = await setUp(t, { ORDERS_PROJECTION: 'off' });
    const role = await asRole(t, db, null);
    await db.pool.query(
      `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role.name};
       REVOKE INSERT, UPDATE ON orders FROM ${role.name}`,
    );
    assert.deepEqual(notOk(await examine(settings, role)), IDLE);
    const keeping = await examine({ ...settings, ORDERS_PROJECTION: 'on' }, role);
    assert.equal(rightsIn(keeping)?.found, 'lacks INSERT on orders; UPDATE on orders');
  });

  it('finds both services behind API keys and TLS', { skip: NO_OPENSSL }, async (t) => {
    const certificates = makeCertificates(t);
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-doctor-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const keys = join(folder, 'keys.json');
    const { sha256 } = makeKey();
    writeFileSync(keys, JSON.stringify({ keys: [{ name: 'shop', role: 'ingest', sha256 }] }));
    const { db, settings } = await setUp(t, {
      PRODUCER_PORT: '0',
      CONSUMER_PORT: '0',
      API_KEYS_FILE: keys,
      TLS_CERT_FILE: certificates.server.cert,
      TLS_KEY_FILE: certificates.server.key,
      TLS_CLIENT_CA_FILE: certificates.ca,
    });
    const silent = createLogger('silent');
    const role = await asRole(t, db, 'orderonce_consumer');
    const open = () => role;
    const producer = await startProducer(settings, await openAppender(settings, open), silent);
    t.after(() => producer.stop());
    const consumer = await startConsumer(
      settings,
      role.url,
      await openReader(settings, open),
      silent,
    );
    t.after(() => consumer.stop());
    const running = {
      ...settings,
      PRODUCER_PORT: producer.port,
      CONSUMER_PORT: consumer.port,
    };
    await until('both are healthy', async () => {
      const findings = await examine(running, role);
      return notOk(findings).join() === 'warn kafka: log';
    });
  });
});
