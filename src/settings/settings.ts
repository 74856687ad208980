/**
 * The one table of settings. The types, the parsing, `--help`, `.env.example` and
 * docs/reference/settings.md all come from it. A secret has no default and is never printed.
 */
import { OrderonceError } from '../errors.ts';
import { parseDatabaseUrl } from './database-url.ts';
import {
  brokers,
  choice,
  file,
  integer,
  isUrl,
  optional,
  protocolProblem,
  ratio,
  type Spec,
  text,
  toggle,
} from './kinds.ts';
import { areHeaders } from './otlp-headers.ts';
import { isSchemaName, splitSchema } from './schema-url.ts';

/**
 * Kafka's names of the codecs for writing. Records are read whichever of them they were written
 * with.
 */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

const HOST_NAMES = /^(\*|(\*?\.)?[\w.-]+)(\s*,\s*(\*|(\*?\.)?[\w.-]+))*$/;
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;
const TOPICS_MAX = 20;

export const SETTINGS = {
  HOST: text(
    '127.0.0.1',
    'Address that both HTTP services listen on. 0.0.0.0 makes them reachable from the network.',
  ),
  ALLOWED_HOSTS: text(
    'localhost',
    'Host names under which browsers may reach the services, separated by commas. .example.com stands for the domain and its subdomains. See docs/security.md.',
    HOST_NAMES,
    'host names without ports, separated by commas',
  ),
  PRODUCER_PORT: integer(8000, 0, 65535, 'Port of the ingest API.'),
  CONSUMER_PORT: integer(8001, 0, 65535, 'Port of the consumer API: health, events, orders.'),
  KAFKA_BOOTSTRAP_SERVERS: brokers(
    'Addresses of Kafka brokers, host:port, separated by commas. If unset, the embedded log in PostgreSQL is used.',
  ),
  KAFKA_COMPRESSION: choice(
    'none',
    COMPRESSIONS,
    'Compression of the records that are written. lz4 and snappy need little CPU; see docs/operations.md, Sizing.',
  ),
  KAFKA_TLS: toggle('off', 'Whether connections to brokers use TLS.'),
  KAFKA_TLS_CA_FILE: file(
    "CA certificates (PEM) used to verify brokers. Default: Node's built-in CAs.",
  ),
  KAFKA_TLS_CERT_FILE: file('Client certificate (PEM), for brokers that require one.'),
  KAFKA_TLS_KEY_FILE: file('Private key (PEM) of KAFKA_TLS_CERT_FILE.'),
  KAFKA_SASL_MECHANISM: choice(
    'none',
    ['none', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    'How this process authenticates to brokers. PLAIN sends the password unencrypted: use it only with KAFKA_TLS=on.',
  ),
  KAFKA_SASL_USERNAME: optional(() => true, 'a name', 'User name for PLAIN and SCRAM.'),
  KAFKA_SASL_PASSWORD: optional(() => true, 'a password', 'Password for PLAIN and SCRAM.', true),
  KAFKA_SASL_TOKEN_FILE: file(
    'File with the token for OAUTHBEARER. It is read again for each new connection.',
  ),
  KAFKA_TOPIC: text(
    'order_events',
    'Topic of the order events.',
    TOPIC,
    "1 to 249 letters, digits, '.', '_' or '-'",
  ),
  KAFKA_TOPICS: topics(
    'Topics to consume beside KAFKA_TOPIC, which others write, separated by commas. DECODE_MODULE decodes their records. "migrate" does not create them. See docs/decode.md.',
  ),
  KAFKA_GROUP_ID: text(
    'orderonce',
    'Consumer group. It decides which consumer reads which partition. The position to read from is kept in PostgreSQL. The group of a topic of KAFKA_TOPICS is this name, a dot and the topic.',
  ),
  KAFKA_PARTITIONS: integer(
    6,
    1,
    10_000,
    'Number of partitions that "migrate" gives the topic, or the embedded log, when it creates it.',
  ),
  KAFKA_REPLICATION_FACTOR: integer(
    -1,
    -1,
    100,
    'Number of replicas that "migrate" gives the topic when it creates it. -1 uses the default of the broker.',
  ),
  DATABASE_URL: databaseUrl(
    'Connection URL of PostgreSQL, postgres://user:password@host:port/database. Separate several hosts by commas, and percent-encode special characters in the password. Parameters are those of libpq; see docs/operations.md, PostgreSQL. If unset, the embedded PostgreSQL is used.',
  ),
  DATABASE_CONNECTION_LIFETIME_SECONDS: integer(
    1800,
    1,
    604_800,
    'Age in seconds after which a connection to PostgreSQL is closed and replaced as soon as it is idle.',
  ),
  DATABASE_SCHEMA: optional(
    isSchemaName,
    'the name of a schema',
    'Schema of the tables. "migrate" creates it if it is missing. If unset, the schema that already holds the tables is used; if there is none, public, or orderonce if public holds tables of another application with the same names.',
  ),
  DATABASE_PREPARED_STATEMENTS: toggle(
    'on',
    'Whether frequent statements are prepared. If a connection pooler loses prepared statements, the process notices and stops preparing them; "off" avoids the attempt.',
  ),
  ORDERONCE_DATA_DIR: text(
    '.orderonce',
    'Directory in which the embedded PostgreSQL keeps its data.',
  ),
  LOG_LEVEL: choice(
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    'Lowest level that is logged.',
  ),
  API_KEYS_FILE: file(
    'File with the API keys; see docs/security.md. It is read again when it changes. If unset, anybody who can reach a port may use it.',
  ),
  READ_ROLE_PAYLOADS: toggle(
    'on',
    'Whether API keys of the role "read" see what senders wrote. If "off", they get null for amounts, user ids, data, payloads, and the messages of dead letters; the role "admin" sees all. Why a partition does not run is then a code for everybody, and the message is in the log.',
  ),
  API_KEY: optional(
    () => true,
    'a key',
    'The API key that commands present to the services: "send" to the ingest API, the others to a consumer.',
    true,
  ),
  TLS_CERT_FILE: file(
    'Certificate chain (PEM) of both HTTP services. If unset, they serve plain HTTP.',
  ),
  TLS_KEY_FILE: file('Private key (PEM) of TLS_CERT_FILE.'),
  TLS_CLIENT_CA_FILE: file(
    'CA certificates (PEM) that must have signed client certificates (mTLS). If unset, clients need no certificate.',
  ),
  STATUS_BASE_URL: optional(
    isUrl('http:', 'https:'),
    'http://host:port',
    'Public base URL of the consumer service, used in Location headers. Default: http://HOST:CONSUMER_PORT.',
  ),
  DELIVERY_DEADLINE_MS: integer(
    5000,
    100,
    60_000,
    'Milliseconds from the arrival of a POST until it is answered 500 (outcome unknown), unless the log acknowledges it earlier.',
  ),
  REQUEST_TIMEOUT_MS: integer(
    15_000,
    500,
    300_000,
    'Milliseconds that a client may take to send a request. After that it is answered 408.',
  ),
  APPEND_QUEUE_MAX: integer(
    10_000,
    1,
    1_000_000,
    'Largest number of events that may wait for the log. Further events are answered 503.',
  ),
  APPEND_BATCH_MAX: integer(1000, 1, 10_000, 'Largest number of events in one append to the log.'),
  CONSUMER_BATCH_MAX: integer(5000, 1, 20_000, 'Largest number of records in one transaction.'),
  CONSUMER_CONNECTIONS: integer(
    2,
    1,
    64,
    'Number of transactions that a consumer runs at the same time, each on its own connection. Partitions with few records share a transaction.',
  ),
  EVENTS_MODULE: optional(
    (value) => value.length > 0,
    'path/to/module.ts',
    'Module whose default export declares types of events (defineEvents). A path from the working directory, or the name of an installed package. See docs/events.md.',
  ),
  EVENT_BYTES_MAX: integer(
    65_536,
    1024,
    1_048_576,
    'The largest event in bytes. Producers and consumers need the same value. Kafka must accept records of this size (max.message.bytes).',
  ),
  DECODE_MODULE: optional(
    (value) => value.length > 0,
    'path/to/module.ts',
    'Module that exports "decode": makes events of the records of KAFKA_TOPICS. KAFKA_TOPIC is not decoded. A path from the working directory, or the name of an installed package. See docs/decode.md.',
  ),
  HANDLERS_MODULE: optional(
    (value) => value.length > 0,
    'path/to/module.ts',
    'Module that exports "handlers": business logic that runs inside the transaction. A path from the working directory, or the name of an installed package. See docs/handlers.md.',
  ),
  HANDLERS_MIGRATIONS: optional(
    (value) => value.length > 0,
    'path/to/folder',
    'Folder of SQL files that create the tables of the handlers. "migrate" applies new ones in the order of their names. See docs/handlers.md.',
  ),
  HANDLER_TIMEOUT_MS: integer(
    3000,
    10,
    300_000,
    'Milliseconds that one handler may take for one batch. Must be less than half of SESSION_TIMEOUT_MS.',
  ),
  HANDLER_BLOCK_MS: integer(
    20_000,
    500,
    600_000,
    'Milliseconds that a handler or the decode function may block the event loop. After that the process is killed.',
  ),
  HANDLER_ATTEMPTS_MAX: integer(
    5,
    1,
    1000,
    'Number of failures for an unknown reason after which an event is parked, if it failed alone and other events succeeded.',
  ),
  HANDLER_PARK_PERCENT_MAX: integer(
    10,
    0,
    100,
    'Percentage of recent events that may be parked. If more would be, a faulty release is assumed: nothing is parked and the partition waits.',
  ),
  ORDERS_PROJECTION: toggle(
    'on',
    'Whether the table "orders" is maintained. "off" saves half of the writes, for teams that keep their own tables.',
  ),
  ORDER_PROCESSED_TOPIC: optional(
    (value) => TOPIC.test(value),
    'a topic name',
    'Topic to which the outbox publishes a message for each stored event. If unset, no message is published.',
  ),
  OUTBOX_RETENTION_HOURS: integer(
    24,
    1,
    8760,
    'Hours that published messages stay in the outbox table.',
  ),
  PROOF: toggle(
    'on',
    'Whether one of the consumers proves continuously that every record is accounted for. See docs/verify.md.',
  ),
  PROOF_INTERVAL_SECONDS: integer(
    15,
    1,
    3600,
    'Seconds between two passes of the continuous proof over the newest events.',
  ),
  PROOF_ROUND_MINUTES: integer(
    10_080,
    1,
    525_600,
    'Longest time in minutes that the continuous proof should take for a round over all tables. It takes less where 0.25 % of the time suffices, and never more than 10 % of the time.',
  ),
  EMBEDDED_LOG_RETENTION_HOURS: integer(
    168,
    1,
    87_600,
    'Hours that the embedded log keeps processed records. With Kafka, set the retention of the topic instead.',
  ),
  PRODUCER_WORKERS: integer(
    1,
    1,
    64,
    'Number of processes that serve the port of "producer". More than one per core are of no use.',
  ),
  SESSION_TIMEOUT_MS: integer(
    10_000,
    1000,
    300_000,
    'Milliseconds without a heartbeat after which the partitions of a consumer are given to other consumers.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    isUrl('http:', 'https:'),
    'http://host:4318',
    'Base URL of a collector that takes traces by OTLP over HTTP. Traces are sent to /v1/traces below it. If unset, nothing is traced. See docs/tracing.md.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    areHeaders,
    'name=value,name=value',
    'Headers for the collector, such as its API key, with percent-encoded values.',
    true,
  ),
  OTEL_SERVICE_NAME: optional(
    () => true,
    'a name',
    'Name of this service in traces. Default: orderonce-producer, orderonce-consumer or orderonce-start.',
  ),
  OTEL_TRACES_SAMPLER_ARG: ratio(
    0.01,
    'Share of the requests without a traceparent that are traced, from 0 to 1. A request with one is traced if its sender says so.',
  ),
} as const satisfies Record<string, Spec<unknown>>;

type Table = typeof SETTINGS;
export type SettingName = keyof Table;
export type Settings = { readonly [K in SettingName]: ReturnType<Table[K]['parse']> };

/**
 * Those of `names` that begin with the same word as a setting but are none: probably misspelled.
 */
export function misspelledNames(names: readonly string[]): string[] {
  const wordOf = (name: string) => name.split('_')[0] ?? '';
  const words = new Set(Object.keys(SETTINGS).map(wordOf));
  return names.filter((name) => words.has(wordOf(name)) && !Object.hasOwn(SETTINGS, name));
}

/**
 * Reads all settings from an environment. An empty value counts as not set.
 * @throws SETTING_INVALID with every invalid value in one message. Values of secrets are left out.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, spec] of Object.entries(SETTINGS) as [string, Spec<unknown>][]) {
    const given = env[name]?.trim();
    // People write NAME= in a .env file to say "not set".
    const source = given === undefined || given === '' ? spec.fallback : given;
    try {
      if (source !== undefined && !spec.secret) refuseQuotes(source, name);
      values[name] = source === undefined ? undefined : spec.parse(source, name);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  const settings = values as Settings;
  const contradiction = protocolProblem(env.KAFKA_BOOTSTRAP_SERVERS ?? '', {
    tls: settings.KAFKA_TLS,
    mechanism: settings.KAFKA_SASL_MECHANISM,
  });
  if (problems.length === 0 && contradiction !== null) problems.push(contradiction);
  if (problems.length > 0) throw new OrderonceError('SETTING_INVALID', problems.join('; '));
  return settings;
}

function databaseUrl(help: string): Spec<string | undefined> {
  const parse = (value: string): string => {
    parseDatabaseUrl(splitSchema(value).url);
    return value;
  };
  return { parse, type: 'postgres://user:password@host:port/database', help, secret: true };
}

/** Names of topics, each once; none if unset. */
function topics(help: string): Spec<readonly string[]> {
  const parse = (value: string, name: string): readonly string[] => {
    const names = [...new Set(value.split(',').map((topic) => topic.trim()))].filter(Boolean);
    if (names.length <= TOPICS_MAX && names.every((topic) => TOPIC.test(topic))) return names;
    throw new Error(
      `${name} must be at most ${TOPICS_MAX} names of topics separated by commas, not "${value}"`,
    );
  };
  return { parse, fallback: '', type: 'names of topics, separated by commas', help };
}

/**
 * No setting has a value in quotes. Quotes are left over from a shell or file, and would be used.
 */
function refuseQuotes(value: string, name: string): void {
  if (!/^(["'`\u2018-\u201f]).*["'`\u2018-\u201f]$/s.test(value)) return;
  throw new Error(
    `${name} is in quotes, which "docker run --env-file" and some shells keep: remove the quotes`,
  );
}

export type SettingFlag = {
  readonly flag: string;
  readonly name: SettingName;
  readonly help: string;
  /** The default as a sentence that follows `help`; empty if there is no default. */
  readonly fallback: string;
  /** An example or description of its values. */
  readonly type: string;
};

/** Every setting as a command-line flag: PRODUCER_PORT is --producer-port. */
export function settingFlags(): SettingFlag[] {
  return (Object.entries(SETTINGS) as [SettingName, Spec<unknown>][]).map(([name, spec]) => ({
    flag: `--${name.toLowerCase().replaceAll('_', '-')}`,
    name,
    help: spec.help,
    fallback: spec.fallback === undefined ? '' : ` Default: ${spec.fallback}.`,
    type: spec.type,
  }));
}
