import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeNames } from './names.ts';

const BROKERS = 'kafka:9092';
const URL = 'postgres://shop:secret@db/orders';

type Env = Record<string, string>;
const judge = (environment: Env, file: Env = {}, flags: Env = {}) =>
  judgeNames(environment, file, { ...file, ...environment, ...flags });

describe('judgeNames', () => {
  it('does not let a wrong name choose the embedded log or database in silence', () => {
    const log = ['KAFKA_BOOTSTRAP_SERVER', 'KAFKA_BOOTSTRAP_SERVRES', 'KFAKA_BOOTSTRAP_SERVERS'];
    const others = ['KAFKA_BROKERS', 'KAFKA_BROKER_LIST', 'KAFKA_HOSTS', 'BOOTSTRAP_SERVERS'];
    const prefixed = ['ORDERONCE_KAFKA_BOOTSTRAP_SERVERS', 'kafka_bootstrap_servers'];
    const names = [...log, ...others, ...prefixed, 'KAFKA_BOOTSTRAP', 'KAFKA-BOOTSTRAP-SERVERS'];
    for (const name of names) {
      for (const [environment, file] of [
        [{ [name]: BROKERS }, {}],
        [{}, { [name]: `PLAINTEXT://${BROKERS}` }],
      ] as [Env, Env][]) {
        const [error = ''] = judge(environment, file).errors;
        assert.ok(error.startsWith(`${name} is not a setting; KAFKA_BOOTSTRAP_SERVERS is`), name);
        assert.match(error, /"KAFKA_BOOTSTRAP_SERVERS="/);
      }
    }
    for (const name of ['DATABASE_URI', 'DATABSE_URL', 'DATABASE_DSN', 'ORDERONCE_DATABASE_URL']) {
      const { errors } = judge({ [name]: URL });
      assert.match(errors.join(), new RegExp(`^${name} is not a setting; DATABASE_URL is`));
      assert.doesNotMatch(errors.join(), /secret/);
    }
  });

  it('only warns where something else is chosen anyway, or the name is of many programs', () => {
    for (const [environment, meant] of [
      [{ KAFKA_BROKERS: BROKERS, KAFKA_BOOTSTRAP_SERVERS: BROKERS }, 'KAFKA_BOOTSTRAP_SERVERS'],
      [{ KAFKA_BROKERS: BROKERS, KAFKA_BOOTSTRAP_SERVERS: '' }, 'KAFKA_BOOTSTRAP_SERVERS'],
      [{ KAFKA_HOST: 'kafka' }, 'KAFKA_BOOTSTRAP_SERVERS'],
      [{ KAFKA_URL: 'kafka+ssl://kafka:9096' }, 'KAFKA_BOOTSTRAP_SERVERS'],
      [{ POSTGRES_URL: URL }, 'DATABASE_URL'],
      [{ DATABASE_URI: 'mysql://db/shop' }, 'DATABASE_URL'],
      [{ LOGLEVEL: 'debug' }, 'LOG_LEVEL'],
      [{ HANDLER_TIMEOUT: '3' }, 'HANDLER_TIMEOUT_MS'],
      [{ ORDERONCE_LOG_LEVEL: 'debug' }, 'LOG_LEVEL'],
    ] as [Env, string][]) {
      const { errors, warnings } = judge(environment);
      assert.deepEqual(errors, []);
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.includes(`is not a setting; ${meant} is`), warnings[0]);
    }
    const flags = { KAFKA_BOOTSTRAP_SERVERS: BROKERS };
    assert.deepEqual(judge({ KAFKA_BROKERS: BROKERS }, {}, flags).errors, []);
    assert.match(judge({ ORDERONCE_MODE: 'x' }).warnings.join(), /ORDERONCE_MODE is not a setting/);
  });

  it('says nothing of what belongs to others: Kafka, Kubernetes, PostgreSQL, OpenSSL, compose', () => {
    const environment = {
      KAFKA_HEAP_OPTS: '-Xmx1g',
      KAFKA_OPTS: '-Dx=y',
      KAFKA_LOG_DIRS: '/data',
      KAFKA_NODE_ID: '1',
      KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://kafka:9092',
      KAFKA_PORT: 'tcp://10.0.0.1:9092',
      KAFKA_PORT_9092_TCP: 'tcp://10.0.0.1:9092',
      KAFKA_PORT_9092_TCP_ADDR: '10.0.0.1',
      KAFKA_SERVICE_HOST: '10.0.0.1',
      KAFKA_SERVICE_PORT_CLIENT: '9092',
      KAFKA_BROKERS_SERVICE_HOST: '10.0.0.2',
      ORDERONCE_PRODUCER_SERVICE_HOST: '10.0.0.3',
      ORDERONCE_PRODUCER_PORT: 'tcp://10.0.0.3:8000',
      ORDERONCE_CONSUMER_PORT_8001_TCP_PROTO: 'tcp',
      PGHOST: 'db',
      PGDATABASE: 'x',
      POSTGRES_PASSWORD: 'x',
      SSL_CERT_FILE: '/etc/ssl/certs.pem',
      NODE_EXTRA_CA_CERTS: '/x',
      HOSTNAME: 'box',
      HOSTTYPE: 'x86_64',
      API_URL: 'https://x.example',
      TLS_ENABLED: '1',
    };
    const nothing = { errors: [], warnings: [], unknown: [] };
    assert.deepEqual(judge(environment), nothing);
    const file = { POSTGRES_PASSWORD: 'x', COMPOSE_FILE: 'a:b', MEMORY_LIMIT: '1g' };
    assert.deepEqual(judge({}, file), nothing);
  });

  it('is stricter with .env, whose lines are ours: also of what merely begins like one', () => {
    const { errors, unknown } = judge({}, { KAFKA_USERNAME: 'x', TLS_ENABLED: '1', PATH: '/' });
    assert.deepEqual([errors, unknown], [[], ['KAFKA_USERNAME', 'TLS_ENABLED']]);
  });
});
