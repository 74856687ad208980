/** The server.properties of one broker, depending on its mode. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrokerOptions, SecureListener } from './options.ts';

/** Flags of the storage tool that create the SCRAM credentials of the user. */
export function scramFlags(secure: SecureListener | undefined): string[] {
  if (secure === undefined) return [];
  const { name, password } = secure.user;
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${name},password=${password}]`,
  ]);
}

const AUTHORIZES = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};

/** The properties of a listener with TLS and SASL (Kafka documentation, "Security"). */
function secureProperties({ port, ca, cert, key, user, authorizes = false }: SecureListener) {
  const text = (file: string) => readFileSync(file, 'utf8').trim().replaceAll('\n', '\\n');
  const jaas = (module: string, options = '') =>
    `org.apache.kafka.common.security.${module} required ${options};`;
  const plain = `username="${user.name}" password="${user.password}" user_${user.name}="${user.password}"`;
  const listener = 'listener.name.sasl_ssl';
  return {
    port,
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': text(cert),
      'ssl.keystore.key': text(key),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': text(ca),
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      [`${listener}.plain.sasl.jaas.config`]: jaas('plain.PlainLoginModule', plain),
      [`${listener}.scram-sha-256.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
      [`${listener}.scram-sha-512.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
      [`${listener}.oauthbearer.sasl.jaas.config`]: jaas(
        'oauthbearer.OAuthBearerLoginModule',
        'unsecuredLoginStringClaim_sub="broker"',
      ),
      ...(authorizes ? AUTHORIZES : {}),
    },
  };
}

/** The controller of a broker listens on the port of the broker plus this number. */
const CONTROLLER_OFFSET = 10_000;

/** Number of replicas, also for internal topics, and how many of them must be in sync. */
function replication(members: number) {
  return {
    'default.replication.factor': members,
    'min.insync.replicas': members > 1 ? 2 : 1,
    'offsets.topic.replication.factor': members,
    'transaction.state.log.replication.factor': members,
    'transaction.state.log.min.isr': members > 1 ? 2 : 1,
    // A replica that does not fetch for this long leaves the in-sync set that acks=all waits for.
    'replica.lag.time.max.ms': 5000,
    // Leadership returns to the preferred brokers soon after a broker is back, not after 5 minutes.
    'leader.imbalance.check.interval.seconds': 5,
    // A broker that stops first hands over its partitions. A single broker could never finish that.
    'controlled.shutdown.enable': members > 1,
  };
}

export function brokerProperties(options: BrokerOptions) {
  const { port, folder, mode, secure, member, behind, advertisedHost = '127.0.0.1' } = options;
  const { id, ports } = member ?? { id: 1, ports: [port] };
  const voters = ports.map((other, i) => `${i + 1}@127.0.0.1:${other + CONTROLLER_OFFSET}`);
  const address = `127.0.0.1:${port}`;
  const tls = secure === undefined ? null : secureProperties(secure);
  const tlsListener = tls === null ? '' : `,SASL_SSL://127.0.0.1:${tls.port}`;
  const behindAt = (at: number | undefined) =>
    at === undefined ? '' : `,BEHIND://127.0.0.1:${at}`;
  const controller = `127.0.0.1:${port + CONTROLLER_OFFSET}`;
  const quorum =
    mode === 'zookeeper'
      ? {
          'broker.id': 1,
          'zookeeper.connect': controller,
          listeners: `PLAINTEXT://${address}`,
          // A killed broker can rejoin only after its old session has expired, so this is short.
          // But a broker that a test freezes for two or three seconds must keep its session.
          'zookeeper.session.timeout.ms': 6000,
        }
      : {
          'node.id': id,
          'process.roles': 'broker,controller',
          'controller.quorum.voters': voters.join(','),
          'controller.listener.names': 'CONTROLLER',
          listeners: `PLAINTEXT://${address},CONTROLLER://${controller}${tlsListener}${behindAt(behind?.port)}`,
          'listener.security.protocol.map':
            'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BEHIND:PLAINTEXT,SASL_SSL:SASL_SSL',
          // A killed broker can rejoin only after its old registration has expired.
          'broker.session.timeout.ms': 2000,
          'broker.heartbeat.interval.ms': 500,
        };
  return {
    ...quorum,
    ...tls?.properties,
    'advertised.listeners': `PLAINTEXT://${advertisedHost}:${port}${tlsListener}${behindAt(behind?.advertisedPort)}`,
    'log.dirs': join(folder, 'log'),
    'auto.create.topics.enable': false,
    ...replication(ports.length),
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    // Lets tests replace a crashed consumer sooner than after the default 6 s.
    'group.min.session.timeout.ms': 1000,
    'log.retention.ms': -1,
  };
}

/** The text of a Java properties file. */
export function toProperties(
  settings: Readonly<Record<string, string | number | boolean>>,
): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
