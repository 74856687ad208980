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
        'EVENTS_MODULE',
        'DECODE_MODULE',
        'HANDLERS_MODULE',
        'HANDLERS_MIGRATIONS',
        'ORDER_PROCESSED_TOPIC',
        'OTEL_EXPORTER_OTLP_ENDPOINT',
        'OTEL_EXPORTER_OTLP_HEADERS',
        'OTEL_SERVICE_NAME',
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

  it('understands levels and switches in any case and in the usual words', () => {
    const of = (env: Record<string, string>) => readSettings(env);
    assert.equal(of({ LOG_LEVEL: 'INFO' }).LOG_LEVEL, 'info');
    assert.equal(of({ KAFKA_COMPRESSION: 'LZ4' }).KAFKA_COMPRESSION, 'lz4');
    assert.equal(
      of({ KAFKA_SASL_MECHANISM: 'scram-sha-512' }).KAFKA_SASL_MECHANISM,
      'SCRAM-SHA-512',
    );
    for (const word of ['on', 'ON', 'true', 'True', 'yes', '1'])
      assert.equal(of({ KAFKA_TLS: word }).KAFKA_TLS, 'on', word);
    for (const word of ['off', 'false', 'FALSE', 'no', '0'])
      assert.equal(of({ ORDERS_PROJECTION: word }).ORDERS_PROJECTION, 'off', word);
    assert.throws(() => of({ KAFKA_TLS: 'maybe' }), /KAFKA_TLS must be on or off .*"maybe"/);
  });

  it('takes the protocol in front of a broker where the other settings say the same', () => {
    const of = (servers: string, more: Record<string, string> = {}) =>
      readSettings({ KAFKA_BOOTSTRAP_SERVERS: servers, ...more }).KAFKA_BOOTSTRAP_SERVERS;
    assert.equal(of('PLAINTEXT://a:9092, plaintext://[::1]:9093,b:1'), 'a:9092,[::1]:9093,b:1');
    const secure = { KAFKA_TLS: 'yes', KAFKA_SASL_MECHANISM: 'PLAIN' };
    assert.equal(of('SASL_SSL://a:9093', secure), 'a:9093');
    assert.equal(of('SSL://a:9093', { KAFKA_TLS: 'on' }), 'a:9093');
    const contradictions: [string, Record<string, string>, RegExp][] = [
      [
        'SASL_SSL://a:9093',
        {},
        /says SASL_SSL:\/\/.*say PLAINTEXT: for SASL_SSL set KAFKA_TLS=on and a KAFKA_SASL/,
      ],
      ['PLAINTEXT://a:9092', secure, /say SASL_SSL: for PLAINTEXT set KAFKA_TLS=off and .*=none/],
      ['SSL://a:1,SASL_PLAINTEXT://b:1', { KAFKA_TLS: 'on' }, /says SASL_PLAINTEXT/],
    ];
    for (const [servers, more, message] of contradictions)
      assert.throws(() => of(servers, more), { code: 'SETTING_INVALID', message });
    for (const servers of [
      'a',
      'a:0',
      'a:70000',
      'http://a:80',
      'a:1,',
      'a:1 b:2',
      'x@a:1',
      '::1:9',
    ])
      assert.throws(() => of(servers), /must look like host:port,host:port/, servers);
  });

  it('explains values that others left: quotes, the links of Kubernetes', () => {
    const of = (env: Record<string, string>) => () => readSettings(env);
    assert.throws(of({ KAFKA_GROUP_ID: '"orders"' }), /KAFKA_GROUP_ID is in quotes, which "docker/);
    assert.throws(of({ KAFKA_TOPIC: '\u201corders\u201d' }), /KAFKA_TOPIC is in quotes/);
    assert.throws(of({ CONSUMER_PORT: 'tcp://10.0.0.1:8001' }), /which Kubernetes sets/);
    assert.equal(readSettings({ KAFKA_SASL_PASSWORD: '"x"' }).KAFKA_SASL_PASSWORD, '"x"');
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
