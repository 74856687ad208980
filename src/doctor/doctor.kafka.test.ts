/** The doctor on real servers: what it says of them is what they are. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka';
import { produceEvents, startConsumer, untilStored } from '../../test/support/consumer.ts';
import { asAdmin, createDatabase, openPool } from '../../test/support/database.ts';
import { KAFKA, newTopic, withAdmin } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { readSettings } from '../settings.ts';
import { examine } from './doctor.ts';

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
    const role = `doctor_${db.name}`;
    await asAdmin((admin) => admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`));
    await db.pool.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role};
      GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role};
      REVOKE INSERT ON conflicts FROM ${role}`);
    const url = new URL(db.url);
    url.username = role;
    url.password = 'x';
    const pool = openPool(url.href);
    t.after(async () => {
      await pool.end();
      await asAdmin((admin) => admin.query(`DROP ROLE ${role}`));
    });
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
});
