/** Against a real broker that accepts only connections with TLS and a password. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Broker } from '../../dev/kafka/broker.ts';
import {
  type Certificates,
  makeCertificates,
  NO_OPENSSL,
} from '../../test/support/certificates.ts';
import { KAFKA, newTopicName } from '../../test/support/kafka.ts';
import { testSettings } from '../../test/support/settings.ts';
import { createLog, openAppender, openReader } from '../services/open-log.ts';

const PORT = 19_892;
const SECURE_PORT = 19_893;
const USER = { name: 'alice', password: 'alice-secret' };
const noPool = () => assert.fail('Kafka needs no database');

describe('Kafka with TLS and SASL', { skip: KAFKA === undefined ? 'No Kafka' : NO_OPENSSL }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-sasl-'));
  let broker: Broker;
  let certificates: Certificates;

  before(async () => {
    certificates = makeCertificates(folder);
    const { ca, server } = certificates;
    const secure = { port: SECURE_PORT, ca, ...server, user: USER };
    broker = await Broker.start({
      port: PORT,
      folder: join(folder, 'kafka'),
      mode: 'kraft',
      secure,
    });
  });
  after(async () => {
    await broker.stop();
    rmSync(folder, { recursive: true });
  });

  const settingsOf = (more: Record<string, string>) =>
    testSettings({
      KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${SECURE_PORT}`,
      KAFKA_TOPIC: newTopicName(),
      KAFKA_PARTITIONS: '1',
      KAFKA_TLS: 'on',
      KAFKA_TLS_CA_FILE: certificates.ca,
      KAFKA_SASL_USERNAME: USER.name,
      KAFKA_SASL_PASSWORD: USER.password,
      ...more,
    });
  const token = () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.trunc(Date.now() / 1000);
    const file = join(folder, 'token');
    writeFileSync(
      file,
      `${part({ alg: 'none' })}.${part({ sub: 'x', iat: now, exp: now + 600 })}.\n`,
    );
    return file;
  };

  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']) {
    it(`creates a topic, appends and fetches by ${mechanism}`, async () => {
      const isToken = mechanism === 'OAUTHBEARER';
      const settings = settingsOf({
        KAFKA_SASL_MECHANISM: mechanism,
        ...(isToken
          ? { KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: '', KAFKA_SASL_TOKEN_FILE: token() }
          : {}),
      });
      await createLog(settings, noPool);
      const appender = await openAppender(settings, noPool);
      const record = { key: Buffer.from('k'), value: Buffer.from('v') };
      await appender.append([record]);
      await appender.close(1000);
      const reader = await openReader(settings, noPool);
      const { topicId } = await reader.identity();
      const limits = { waitMs: 1000, bytesPerPartition: 1 << 20 };
      const { slices } = await reader.fetch(topicId, [{ partition: 0, offset: 0 }], limits);
      await reader.close(1000);
      assert.equal(slices[0]?.records[0]?.value?.toString(), 'v');
    });
  }

  const refused: [string, Record<string, string>][] = [
    ['a wrong password', { KAFKA_SASL_PASSWORD: 'wrong' }],
    [
      'no password at all',
      { KAFKA_SASL_MECHANISM: 'none', KAFKA_SASL_USERNAME: '', KAFKA_SASL_PASSWORD: '' },
    ],
    ['a broker of an authority that is not ours', { KAFKA_TLS_CA_FILE: '' }],
    ['plain text', { KAFKA_TLS: 'off', KAFKA_TLS_CA_FILE: '' }],
  ];
  for (const [what, more] of refused) {
    it(`does not get in with ${what}, and says so without the password`, async () => {
      const settings = settingsOf({ KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', ...more });
      const appender = await openAppender(settings, noPool);
      await assert.rejects(appender.check(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'LOG_UNAVAILABLE');
        assert.doesNotMatch(JSON.stringify([error.message, error.stack]), /alice-secret/);
        return true;
      });
      await appender.close(500);
    });
  }

  it('does not start with settings that contradict one another', async () => {
    const wrong: [Record<string, string>, RegExp][] = [
      [{ KAFKA_SASL_MECHANISM: 'PLAIN', KAFKA_SASL_PASSWORD: '' }, /needs KAFKA_SASL_USERNAME/],
      [{ KAFKA_SASL_MECHANISM: 'OAUTHBEARER' }, /needs KAFKA_SASL_TOKEN_FILE/],
      [{ KAFKA_SASL_MECHANISM: 'none' }, /KAFKA_SASL_MECHANISM is none/],
      [{ KAFKA_TLS: 'off', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' }, /KAFKA_TLS is off/],
      [{ KAFKA_TLS_CERT_FILE: '/x', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' }, /KAFKA_TLS_CERT_FILE/],
    ];
    for (const [more, message] of wrong) {
      const opening = openAppender(settingsOf(more), noPool);
      await assert.rejects(opening, { code: 'SETTING_INVALID', message });
    }
  });
});
