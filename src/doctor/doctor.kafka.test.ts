/** `orderonce doctor` on real servers: its findings match their state. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka';
import { Broker } from '../../dev/kafka/broker.ts';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import { produceEvents, startConsumer, untilStored } from '../../test/support/consumer.ts';
import { createDatabase, openPool } from '../../test/support/database.ts';
import { KAFKA, newTopic, newTopicName, withAdmin } from '../../test/support/kafka.ts';
import { Orderonce } from '../../test/support/processes.ts';
import { asRole } from '../../test/support/roles.ts';
import { until } from '../../test/support/until.ts';
import { createLog } from '../services/open-log.ts';
import { readSettings } from '../settings/settings.ts';
import { examine } from './doctor.ts';

const PORT = 19_992;
const SECURE_PORT = 19_993;

async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const topic = await newTopic(2);
  const settings = readSettings({
    KAFKA_BOOTSTRAP_SERVERS: KAFKA,
    KAFKA_TOPIC: topic,
    DATABASE_URL: db.url,
    PRODUCER_PORT: '1',
    CONSUMER_PORT: '2',
  });
  return { db, topic, settings };
}

const linesOf = (findings: Awaited<ReturnType<typeof examine>>) =>
  findings.map(({ verdict, area, check }) => `${verdict} ${area}: ${check}`);

async function setConfig(topic: string, name: string, value: string): Promise<void> {
  const operation = IncrementalAlterConfigOperationTypes.SET;
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
  const configs = [{ name, value, configOperation: operation }];
  await withAdmin((admin) =>
    admin.incrementalAlterConfigs({ resources: [{ ...resource, configs }] }),
  );
}

describe('orderonce doctor', { skip: KAFKA === undefined }, () => {
  it('only warns of a sound development set-up', async (t) => {
    const { db, topic, settings } = await setUp(t);
    await produceEvents(topic, 3);
    startConsumer(t, db, topic);
    await untilStored(db, 3);
    const findings = await examine(settings, db.pool);
    assert.deepEqual(
      linesOf(findings).filter((line) => !line.startsWith('ok')),
      [
        'warn kafka: replication',
        'warn kafka: in-sync replicas',
        'warn services: producer',
        'warn services: consumer',
      ],
    );
  });

  it('sees what an operator has set: compaction, retention about to pass, missing rights', async (t) => {
    const { db, topic, settings } = await setUp(t);
    await produceEvents(topic, 3);
    const consumer = startConsumer(t, db, topic);
    await untilStored(db, 3);
    await consumer.stop(3000);
    await produceEvents(topic, 1);
    await setConfig(topic, 'cleanup.policy', 'compact');
    await setConfig(topic, 'retention.ms', '1');
    const pool = await asRole(t, db, 'orderonce_consumer');
    const group = 'orderonce_consumer';
    await db.pool.query(`REVOKE INSERT ON conflicts FROM ${group}`);
    await until('the settings have arrived', async () => {
      const lines = linesOf(await examine(settings, pool));
      return (
        lines.includes('fail kafka: cleanup') &&
        lines.includes('fail kafka: retention') &&
        lines.includes('fail postgresql: rights')
      );
    });
  });

  it('says what does not answer, and which command makes what is missing', async (t) => {
    const { db, settings } = await setUp(t);
    const missing = await examine({ ...settings, KAFKA_TOPIC: 'no_such_topic' }, db.pool);
    const topic = missing.find(({ area, check }) => area === 'kafka' && check === 'reachable');
    assert.deepEqual([topic?.verdict, topic?.remedy], ['fail', 'Run "orderonce migrate"']);
    const nowhere = openPool('postgres://x:y@127.0.0.1:1/none');
    t.after(() => nowhere.end());
    const away = { ...settings, KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1' };
    assert.deepEqual(linesOf(await examine(away, nowhere)).slice(0, 2), [
      'fail postgresql: reachable',
      'fail kafka: reachable',
    ]);
  });

  it('examines Kafka from a machine that runs producers alone, without a database', async (t) => {
    const { topic } = await setUp(t);
    const env = { KAFKA_BOOTSTRAP_SERVERS: KAFKA as string, KAFKA_TOPIC: topic };
    const ports = { PRODUCER_PORT: '1', CONSUMER_PORT: '2', LOG_LEVEL: 'silent' };
    const cwd = mkdtempSync(join(tmpdir(), 'orderonce-doctor-'));
    t.after(() => rmSync(cwd, { recursive: true }));
    const doctor = new Orderonce(t, ['doctor', '--json'], { ...env, ...ports }, cwd);
    assert.equal(await doctor.exit(), 0, doctor.output);
    const { fit, findings } = JSON.parse(doctor.output);
    assert.equal(fit, true);
    const lines = linesOf(findings);
    assert.ok(lines.includes('warn postgresql: reachable'));
    assert.ok(lines.includes('ok kafka: reachable'));
    assert.ok(!lines.some((line) => /positions|disk/.test(line)));
  });
});

const NO_SERVER = KAFKA === undefined ? 'No Kafka' : NO_OPENSSL;

describe('orderonce doctor, Kafka with TLS and SASL', { skip: NO_SERVER }, () => {
  it('connects as the services do, and says which settings it could be', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-doctor-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { ca, server } = makeCertificates(folder);
    const user = { name: 'alice', password: 'alice-secret' };
    const broker = await Broker.start({
      port: PORT,
      folder: join(folder, 'kafka'),
      mode: 'kraft',
      secure: { port: SECURE_PORT, ca, ...server, user },
    });
    t.after(() => broker.stop());
    const db = await createDatabase(t);
    const env = {
      KAFKA_BOOTSTRAP_SERVERS: `SASL_SSL://127.0.0.1:${SECURE_PORT}`,
      KAFKA_TOPIC: newTopicName(),
      KAFKA_PARTITIONS: '2',
      KAFKA_TLS: 'true',
      KAFKA_TLS_CA_FILE: ca,
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: user.name,
      KAFKA_SASL_PASSWORD: user.password,
      DATABASE_URL: db.url,
      PRODUCER_PORT: '1',
      CONSUMER_PORT: '2',
    };
    const settings = readSettings(env);
    await createLog(settings, () => db.pool);
    const pool = await asRole(t, db, 'orderonce_consumer');
    const lines = linesOf(await examine(settings, pool));
    assert.ok(lines.includes('ok kafka: reachable'), lines.join('\n'));
    assert.deepEqual(
      lines.filter((line) => line.startsWith('fail')),
      [],
    );
    const wrong = readSettings({ ...env, KAFKA_SASL_PASSWORD: 'wrong' });
    const refused = (await examine(wrong, pool)).find(({ verdict }) => verdict === 'fail');
    assert.deepEqual([refused?.area, refused?.check], ['kafka', 'reachable']);
    assert.match(refused?.remedy ?? '', /KAFKA_TLS and KAFKA_SASL_\*/);
    assert.doesNotMatch(JSON.stringify(refused), /alice-secret|wrong/);
  });
});
