/**
 * If Kafka cannot be used, the health page gives the reason and the remedy before the first event.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  AclOperations,
  AclPermissionTypes,
  Connection,
  createTopicsV7,
  FindCoordinatorKeyTypes,
  joinGroupV9,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka';
import { Broker } from '../../dev/kafka/broker.ts';
import { makeCertificates, NO_OPENSSL } from '../../test/support/certificates.ts';
import {
  foreignProducer,
  KAFKA,
  MODE,
  newTopic,
  newTopicName,
  withAdmin,
} from '../../test/support/kafka.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import type { LogReader } from '../log/event-log.ts';
import { createLog, openAppender, openReader } from '../services/open-log.ts';
import { KafkaAppender } from './appender.ts';
import { KafkaReader } from './reader.ts';

const NO_HOST = 'kafka-inside.invalid';

async function startBroker(
  t: TestContext,
  options: Partial<Parameters<typeof Broker.start>[0]> & { port: number },
) {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-reasons-'));
  const broker = await Broker.start({ folder: join(folder, 'kafka'), mode: 'kraft', ...options });
  t.after(async () => {
    await broker.stop();
    rmSync(folder, { recursive: true });
  });
  return { broker, folder };
}

/** Connects to the real address of the broker, whatever address it advertises. */
async function directly<T>(port: number, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = new Connection('test');
  await connection.connect('127.0.0.1', port);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

function openClosed(t: TestContext, bootstrapServers: string, topic: string, groupId = topic) {
  const options = { bootstrapServers, topic, clientId: 'test' };
  const appender = new KafkaAppender(options);
  const reader = new KafkaReader({ ...options, groupId, sessionTimeoutMs: 6000 });
  t.after(async () => {
    await appender.close();
    await reader.close(1000);
  });
  return { appender, reader };
}

const LISTENER = { onRevoke: async () => {}, onAssign: () => {} };
const untilGroupSays = (reader: KafkaReader | LogReader, what: RegExp) =>
  until(`the group says ${what}`, () => what.test(reader.groupTrouble ?? ''));

describe('Reasons', { skip: KAFKA === undefined ? 'No Kafka' : false }, () => {
  it('a name that the broker gives out and nobody can resolve is named, with the setting to change', async (t) => {
    const port = 19_902;
    await startBroker(t, { port, advertisedHost: NO_HOST });
    const topic = {
      name: 't',
      numPartitions: 2,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    };
    await directly(port, (connection) =>
      createTopicsV7.api.async(connection, [topic], 5000, false),
    );
    const { appender, reader } = openClosed(t, `127.0.0.1:${port}`, 't');
    await assert.rejects(appender.check(), {
      code: 'LOG_UNAVAILABLE',
      message: /Partitions 0, 1: .*kafka-inside\.invalid.*advertised\.listeners/,
    });
    void reader.join(LISTENER);
    await untilGroupSays(reader, /kafka-inside\.invalid.*advertised\.listeners/);
  });

  it('a group that another protocol holds', async (t) => {
    const topic = await newTopic(1);
    const port = Number((KAFKA as string).split(':')[1]);
    // The first request for a coordinator makes Kafka choose one.
    await withAdmin((admin) =>
      admin.findCoordinator({ keys: [topic], keyType: FindCoordinatorKeyTypes.GROUP }),
    );
    await directly(port, async (connection) => {
      const protocols = [{ name: 'sessioned', metadata: Buffer.from('x') }];
      const join = (memberId: string) =>
        joinGroupV9.api.async(
          connection,
          topic,
          30_000,
          30_000,
          memberId,
          null,
          'connect',
          protocols,
          '',
        );
      // The first answer only assigns a member id.
      const given = await until('a member id is given', () =>
        join('').catch(
          (error: { response?: { memberId: string } }) => error.response?.memberId || null,
        ),
      );
      await join(String(given));
      const { reader } = openClosed(t, KAFKA as string, topic);
      void reader.join(LISTENER);
      await untilGroupSays(reader, /use another protocol.*KAFKA_GROUP_ID/);
    });
  });

  it('an open transaction of another client, which holds back what lies behind it [G3]', async (t) => {
    const topic = await newTopic(1);
    const { appender, reader } = openClosed(t, KAFKA as string, topic);
    const producer = foreignProducer(KAFKA as string, `tx-${topic}`);
    t.after(() => producer.close());
    const transaction = await producer.beginTransaction();
    await transaction.send({
      messages: [{ topic, key: Buffer.from('k'), value: Buffer.from('open') }],
    } as never);
    await appender.append([{ key: Buffer.from('k'), value: Buffer.from('behind') }]);
    const { topicId } = await reader.identity();
    const limits = { waitMs: 200, bytesPerPartition: 1 << 20 };
    const held = await until('it is held back', async () => {
      const { heldBack, slices } = await reader.fetch(
        topicId,
        [{ partition: 0, offset: 0 }],
        limits,
      );
      assert.deepEqual(slices, []);
      return heldBack.get(0);
    });
    assert.deepEqual(held, { from: 0, to: 2 });
    await transaction.commit();
    await until('all is given', async () => {
      const { slices } = await reader.fetch(topicId, [{ partition: 0, offset: 0 }], limits);
      return slices[0]?.records.length === 2;
    });
  });

  it('a topic that Kafka does not create, and whether waiting helps', async () => {
    const create = (parts: Record<string, string>) =>
      createLog(
        testSettings({
          KAFKA_BOOTSTRAP_SERVERS: KAFKA ?? '',
          KAFKA_TOPIC: newTopicName(),
          ...parts,
        }),
        () => assert.fail('Kafka needs no database'),
      );
    await assert.rejects(create({ KAFKA_REPLICATION_FACTOR: '3' }), {
      code: 'LOG_UNAVAILABLE',
      message: /does not create the topic .*replication factor/i,
    });
    await assert.rejects(create({ KAFKA_TOPIC: '..' }), {
      code: 'LOG_NOT_CREATED',
      message: /does not create the topic .*invalid topic/i,
    });
  });

  it('rights that are missing, one after the other', {
    skip: MODE === 'zookeeper' ? 'KRaft only' : NO_OPENSSL,
  }, async (t) => {
    const port = 19_912;
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-acl-'));
    const { ca, server } = makeCertificates(folder);
    const user = { name: 'alice', password: 'alice-secret' };
    await startBroker(t, {
      port,
      secure: { port: port + 1, ca, ...server, user, authorizes: true },
    });
    t.after(() => rmSync(folder, { recursive: true }));
    const topic = await newTopic(1, `127.0.0.1:${port}`);
    const settings = testSettings({
      KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${port + 1}`,
      KAFKA_TOPIC: topic,
      KAFKA_GROUP_ID: 'orders',
      KAFKA_TLS: 'on',
      KAFKA_TLS_CA_FILE: ca,
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: user.name,
      KAFKA_SASL_PASSWORD: user.password,
    });
    const grant = (resourceType: number, resourceName: string, operation: number) =>
      withAdmin(
        (admin) =>
          admin.createAcls({
            creations: [
              {
                resourceType,
                resourceName,
                resourcePatternType: ResourcePatternTypes.LITERAL,
                principal: `User:${user.name}`,
                host: '*',
                operation,
                permissionType: AclPermissionTypes.ALLOW,
              },
            ],
          } as never),
        `127.0.0.1:${port}`,
      );
    const noPool = () => assert.fail('Kafka needs no database');
    const appender = await openAppender(settings, noPool);
    const reader = await openReader(settings, noPool);
    t.after(() => Promise.all([appender.close(500), reader.close(500)]));
    const forbidden = { code: 'LOG_NOT_CREATED', message: /not create the topic.*uthoriz/ };
    await assert.rejects(createLog(settings, noPool), forbidden);
    await assert.rejects(appender.check(), /does not exist|grant it DESCRIBE/);
    await grant(ResourceTypes.TOPIC, topic, AclOperations.READ);
    await until('the topic is seen', () =>
      appender.check().then(
        () => true,
        () => false,
      ),
    );
    assert.equal(await createLog(settings, noPool), false, 'it exists, so no right is needed');
    const record = { key: Buffer.from('k'), value: Buffer.from('v') };
    await assert.rejects(appender.append([record]), /AUTHORIZATION_FAILED.*Grant this user/);
    await grant(ResourceTypes.TOPIC, topic, AclOperations.WRITE);
    await until('it may write', () =>
      appender.append([record]).then(
        () => true,
        () => false,
      ),
    );
    void reader.join(LISTENER);
    await untilGroupSays(reader, /grant it READ on the group "orders"/);
    await grant(ResourceTypes.GROUP, 'orders', AclOperations.READ);
    await until('it is a member', () => reader.groupTrouble === null);
  });
});
