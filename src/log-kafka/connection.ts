/** What all our Kafka clients share: addresses, options, and the translation of errors. */
import { findErrorBy } from '@platformatic/kafka';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import type { KafkaSecurity } from './security.ts';

export type KafkaOptions = {
  /** As in KAFKA_BOOTSTRAP_SERVERS: host:port, separated by commas. */
  readonly bootstrapServers: string;
  readonly topic: string;
  readonly clientId: string;
  /** Without it, connections are unencrypted and brokers are not verified. */
  readonly security?: KafkaSecurity;
  /** Compression of appended records. Default: 'none'. */
  readonly compression?: Settings['KAFKA_COMPRESSION'];
};

export type BrokerAddress = { readonly host: string; readonly port: number };

const DEFAULT_PORT = 9092;

/**
 * Parses `host:port`. An IPv6 address is in brackets (RFC 3986, section 3.2.2). Default port: 9092.
 */
export function addressOf(server: string): BrokerAddress {
  const [, host = server, port = DEFAULT_PORT] = /^(.*):(\d+)$/.exec(server) ?? [];
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/**
 * Options for a new client. Each client needs its own object, because its constructor changes it.
 * Topics are never created: a misspelled name must not create one with a single replica.
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

/**
 * Translates an error of the client: NOT_MIGRATED if the topic is missing, else LOG_UNAVAILABLE.
 */
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
 * Adds advice to an error about a host name that cannot be resolved. Clients connect to the
 * addresses that brokers advertise, not to the bootstrap address. A common mistake in a new cluster
 * is to advertise a name that is known only in the broker's own network.
 */
export function withWayOut(reason: string): string {
  const [, name] = /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (\S+)/.exec(reason) ?? [];
  if (name === undefined) return reason;
  return (
    `${reason}. The name "${name}" cannot be resolved here. If it is not in KAFKA_BOOTSTRAP_SERVERS, a ` +
    'broker advertises it: set advertised.listeners of that broker to a name that its clients can reach'
  );
}

/** Whether the error says that the topic does not exist. */
export function isTopicMissing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    findErrorBy(error, 'apiId', 'UNKNOWN_TOPIC_OR_PARTITION') !== null ||
    /Unknown topic/i.test(deepestReason(error))
  );
}

/** Whether the error is, or contains, the protocol error with this name. */
export function isProtocolError(error: unknown, apiId: string): boolean {
  return error instanceof Error && findErrorBy(error, 'apiId', apiId) !== null;
}

/** The innermost message of an error of the client, which wraps those of brokers several times. */
export function deepestReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return deepestReason(error.errors.at(-1));
  }
  if (error instanceof Error && error.cause instanceof Error) return deepestReason(error.cause);
  return reasonOf(error);
}
