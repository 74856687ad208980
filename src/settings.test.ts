import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { misspelledNames, readSettings, SETTINGS, settingFlags } from './settings.ts';

describe('readSettings', () => {
  it('has a default for all but what must come from outside', () => {
    const settings = readSettings({});
    assert.deepEqual(
      Object.entries(settings)
        .filter(([, value]) => value === undefined)
        .map(([name]) => name),
      [
        'KAFKA_BOOTSTRAP_SERVERS',
        'KAFKA_TLS_CA_FILE',
        'KAFKA_TLS_CERT_FILE',
        'KAFKA_TLS_KEY_FILE',
        'KAFKA_SASL_USERNAME',
        'KAFKA_SASL_PASSWORD',
        'KAFKA_SASL_TOKEN_FILE',
        'DATABASE_URL',
        'DATABASE_SCHEMA',
        'API_KEYS_FILE',
        'API_KEY',
        'TLS_CERT_FILE',
        'TLS_KEY_FILE',
        'TLS_CLIENT_CA_FILE',
        'STATUS_BASE_URL',
        'HANDLERS_MODULE',
        'ORDER_PROCESSED_TOPIC',
      ],
    );
    assert.deepEqual(
      [settings.PRODUCER_PORT, settings.CONSUMER_PORT, settings.KAFKA_TOPIC],
      [8000, 8001, 'order_events'],
    );
  });

  it('takes an empty value, as a .env file has it, for "not set"', () => {
    const settings = readSettings({ PRODUCER_PORT: '', DATABASE_URL: ' ' });
    assert.deepEqual([settings.PRODUCER_PORT, settings.DATABASE_URL], [8000, undefined]);
  });

  it('names every bad value at once', () => {
    const env = { PRODUCER_PORT: '80x', CONSUMER_BATCH_MAX: '0', LOG_LEVEL: 'loud' };
    assert.throws(() => readSettings(env), {
      code: 'SETTING_INVALID',
      message: /PRODUCER_PORT.*"80x".*LOG_LEVEL.*"loud".*CONSUMER_BATCH_MAX.*"0"/s,
    });
  });

  it('checks addresses, and never repeats a secret', () => {
    const env = {
      DATABASE_URL: 'mysql://shop:s3cr3t-word@db/orders',
      KAFKA_BOOTSTRAP_SERVERS: 'kafka',
      STATUS_BASE_URL: 'status.example',
    };
    assert.throws(
      () => readSettings(env),
      ({ message }: Error) => {
        assert.doesNotMatch(message, /s3cr3t-word/);
        return ['DATABASE_URL', 'KAFKA_BOOTSTRAP_SERVERS', 'STATUS_BASE_URL'].every((name) =>
          message.includes(`${name} must`),
        );
      },
    );
    const good = {
      DATABASE_URL: 'postgres://shop:secret@db:5432/orders?sslmode=require',
      KAFKA_BOOTSTRAP_SERVERS: 'kafka-1:9092, [::1]:9093',
      STATUS_BASE_URL: 'https://status.example/orders',
    };
    assert.equal(readSettings(good).DATABASE_URL, good.DATABASE_URL);
  });

  it('refuses what could never work: a port past the last, a topic that Kafka does not take', () => {
    for (const env of [
      { DATABASE_URL: 'postgres://db:99999/orders' },
      { KAFKA_TOPIC: '日本' },
      { STATUS_BASE_URL: 'http://' },
    ]) {
      assert.throws(() => readSettings(env), { code: 'SETTING_INVALID' });
    }
  });

  it('finds misspelled names, but leaves those of others alone', () => {
    const names = ['LOG_LEVL', 'LOG_LEVEL', 'POSTGRES_PASSWORD', 'PATH'];
    assert.deepEqual(misspelledNames(names), ['LOG_LEVL']);
  });

  it('gives no secret a default', () => {
    for (const [name, spec] of Object.entries(SETTINGS)) {
      if ('secret' in spec) assert.equal(spec.fallback, undefined, name);
    }
  });

  it('has a flag for each setting', () => {
    const { flag } = settingFlags().find(({ name }) => name === 'PRODUCER_PORT') ?? {};
    assert.equal(flag, '--producer-port');
  });
});
