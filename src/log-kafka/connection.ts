/** What all Kafka clients of ours share: addresses, limits, and the translation of their errors. */
import { findErrorBy } from '@platformatic/kafka';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { KafkaSecurity } from './security.ts';

export type KafkaOptions = {
  readonly bootstrapServers: string;
  readonly topic: string;
  readonly clientId: string;
  /** None: plain text, to whoever answers. */
  readonly security?: KafkaSecurity;
  /** Of what is appended; 'none' unless said. */
  readonly compression?: Settings['KAFKA_COMPRESSION'];
};

export type BrokerAddress = { readonly host: string; readonly port: number };

const DEFAULT_PORT = 9092;

/** Of `host:port`; an IPv6 address stands in brackets (RFC 3986, section 3.2.2). */
export function addressOf(server: string): BrokerAddress {
  const [, host = server, port = DEFAULT_PORT] = /^(.*):(\d+)$/.exec(server) ?? [];
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/**
 * Options of a new client. A fresh object each time: the client's constructor changes it. Never
 * creates topics: a typo must not make one with a single replica.
 */
export function clientOptions({ bootstrapServers, clientId, security }: KafkaOptions) {
  return {
    ...security,
    clientId,
    bootstrapBrokers: bootstrapServers.split(',').map((server) => server.trim()),
    connectTimeout: 2000,
    requestTimeout: 5000,
    retryDelay: 250,
    autocreateTopics: false,
  };
}

/** Names an error of the client; the topic's absence is the one that an operator can mend. */
export function kafkaError(error: unknown, topic: string): OrderonceError {
  if (error instanceof OrderonceError) return error;
  if (isTopicMissing(error)) {
    return new OrderonceError(
      'NOT_MIGRATED',
      `Topic "${topic}" does not exist: run "orderonce migrate"`,
      { cause: error },
    );
  }
  const reason = withWayOut(deepestReason(error));
  return new OrderonceError('LOG_UNAVAILABLE', `Kafka does not answer: ${reason}`, {
    cause: error,
  });
}

/**
 * Clients go on with the addresses that brokers give out, not with the one they began with: a name
 * that only the broker's own network knows is the best known mistake of a new cluster.
 */
export function withWayOut(reason: string): string {
  const [, name] = /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (\S+)/.exec(reason) ?? [];
  if (name === undefined) return reason;
  return (
    `${reason}. The name "${name}" cannot be resolved here. Where KAFKA_BOOTSTRAP_SERVERS has ` +
    "another one, a broker gives it out: set that broker's advertised.listeners to a name that its clients can reach"
  );
}

export function isTopicMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    findErrorBy(error, 'apiId', 'UNKNOWN_TOPIC_OR_PARTITION') !== null ||
    /Unknown topic/i.test(deepestReason(error))
  );
}

/** Whether any error within is the protocol error of this name. */
export function isProtocolError(error: unknown, apiId: string): boolean {
  return error instanceof Error && findErrorBy(error, 'apiId', apiId) !== null;
}

function deepestReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return deepestReason(error.errors.at(-1));
  }
  if (error instanceof Error && error.cause instanceof Error) return deepestReason(error.cause);
  return reasonOf(error);
}
