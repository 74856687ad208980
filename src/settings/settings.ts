/**
 * The one table of settings: types, parsing, `--help`, `.env.example` and the reference page all
 * come from it. A secret has no default and is never printed.
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
  type Spec,
  text,
  toggle,
} from './kinds.ts';
import { isSchemaName, splitSchema } from './schema-url.ts';

/** Kafka's names. All of them are read, whoever wrote them. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

const HOST_NAMES = /^(\*|(\*?\.)?[\w.-]+)(\s*,\s*(\*|(\*?\.)?[\w.-]+))*$/;
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;

export const SETTINGS = {
  HOST: text(
    '127.0.0.1',
    'Address that both HTTP services listen on. 0.0.0.0 opens them to the network.',
  ),
  ALLOWED_HOSTS: text(
    'localhost',
    'Names that browsers may reach the services by, comma-separated; .example.com is a domain and all below it. See docs/security.md.',
    HOST_NAMES,
    'host names without ports, separated by commas',
  ),
  PRODUCER_PORT: integer(8000, 0, 65535, 'Port of the ingest API.'),
  CONSUMER_PORT: integer(8001, 0, 65535, 'Port of the consumer: health, events, orders.'),
  KAFKA_BOOTSTRAP_SERVERS: brokers(
    'Kafka brokers, host:port separated by commas. Unset: the embedded log in PostgreSQL.',
  ),
  KAFKA_COMPRESSION: choice(
    'none',
    COMPRESSIONS,
    'How records are written. lz4 and snappy cost little CPU; see docs/operations.md, Sizing.',
  ),
  KAFKA_TLS: toggle('off', 'Whether brokers are spoken to by TLS.'),
  KAFKA_TLS_CA_FILE: file('Certificates (PEM) that brokers are checked by. Unset: those of Node.'),
  KAFKA_TLS_CERT_FILE: file('Our own certificate (PEM), where brokers ask for one.'),
  KAFKA_TLS_KEY_FILE: file('The key (PEM) of that certificate.'),
  KAFKA_SASL_MECHANISM: choice(
    'none',
    ['none', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    'How we tell brokers who we are. PLAIN sends the password as it is: with KAFKA_TLS only.',
  ),
  KAFKA_SASL_USERNAME: optional(() => true, 'a name', 'For PLAIN and SCRAM.'),
  KAFKA_SASL_PASSWORD: optional(() => true, 'a password', 'For PLAIN and SCRAM.', true),
  KAFKA_SASL_TOKEN_FILE: file('For OAUTHBEARER: holds the token, and is read for each connection.'),
  KAFKA_TOPIC: text(
    'order_events',
    'Topic of the order events.',
    TOPIC,
    "of letters, digits, '.', '_' and '-'",
  ),
  KAFKA_GROUP_ID: text(
    'orderonce',
    'Consumer group; decides who reads which partition, never from where.',
  ),
  KAFKA_PARTITIONS: integer(
    6,
    1,
    10_000,
    'Partitions that "migrate" creates the topic (or embedded log) with.',
  ),
  KAFKA_REPLICATION_FACTOR: integer(
    -1,
    -1,
    100,
    "Replicas of the created topic; -1 takes the broker's default.",
  ),
  DATABASE_URL: databaseUrl(
    'PostgreSQL, postgres://user:password@host:port/database; several hosts are separated by commas. Percent-encode special characters in the password. Parameters as in libpq; see docs/operations.md, PostgreSQL. Unset: embedded PostgreSQL.',
  ),
  DATABASE_CONNECTION_LIFETIME_SECONDS: integer(
    1800,
    1,
    604_800,
    'Seconds after which a connection to PostgreSQL is replaced by a new one, once it is idle.',
  ),
  DATABASE_SCHEMA: optional(
    isSchemaName,
    'the name of a schema',
    'Schema of the tables; "migrate" makes it if it is missing. Unset: the one that has them; else public, or orderonce where public has tables of another application by these names.',
  ),
  DATABASE_PREPARED_STATEMENTS: toggle(
    'on',
    'Whether frequent statements are prepared. Where a pooler loses them, the process notices and stops preparing; "off" avoids the attempt.',
  ),
  ORDERONCE_DATA_DIR: text('.orderonce', 'Where the embedded PostgreSQL keeps its data.'),
  LOG_LEVEL: choice(
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    'Least level that is logged.',
  ),
  API_KEYS_FILE: file(
    'API keys (see docs/security.md), read again when it changes. Unset: whoever reaches a port may use it.',
  ),
  API_KEY: optional(() => true, 'a key', 'The key that "orderonce send" shows.', true),
  TLS_CERT_FILE: file('Certificate chain (PEM) of both HTTP services. Unset: plain HTTP.'),
  TLS_KEY_FILE: file('The key (PEM) of that certificate.'),
  TLS_CLIENT_CA_FILE: file(
    'Certificates (PEM) that clients must have theirs from (mTLS). Unset: none is asked for.',
  ),
  STATUS_BASE_URL: optional(
    isUrl('http:', 'https:'),
    'http://host:port',
    'Public base URL of the consumer service, for Location headers. Unset: http://HOST:CONSUMER_PORT.',
  ),
  DELIVERY_DEADLINE_MS: integer(
    5000,
    100,
    60_000,
    'Milliseconds from arrival until a POST is answered 500 (outcome unknown).',
  ),
  REQUEST_TIMEOUT_MS: integer(
    15_000,
    500,
    300_000,
    'Milliseconds that a client may take to send a request; then 408.',
  ),
  APPEND_QUEUE_MAX: integer(
    10_000,
    1,
    1_000_000,
    'Events that may wait for the log; more are answered 503.',
  ),
  APPEND_BATCH_MAX: integer(1000, 1, 10_000, 'Events that leave together in one append.'),
  CONSUMER_BATCH_MAX: integer(5000, 1, 20_000, 'Records of one transaction at most.'),
  CONSUMER_CONNECTIONS: integer(
    2,
    1,
    64,
    'Transactions at the same time, a connection each. Partitions with little to do share one.',
  ),
  HANDLERS_MODULE: optional(
    (value) => value.length > 0,
    'path/to/module.ts',
    'Module that exports "handlers": business logic run inside the transaction. See docs/handlers.md.',
  ),
  HANDLER_TIMEOUT_MS: integer(
    3000,
    10,
    300_000,
    'Milliseconds that one handler may take over one batch; less than half of SESSION_TIMEOUT_MS.',
  ),
  HANDLER_BLOCK_MS: integer(
    20_000,
    500,
    600_000,
    'Milliseconds that a handler may block the process without giving way; then it is ended.',
  ),
  HANDLER_ATTEMPTS_MAX: integer(
    5,
    1,
    1000,
    'Failures alone, for an unknown reason and while others succeed, after which an event is parked.',
  ),
  HANDLER_PARK_PERCENT_MAX: integer(
    10,
    0,
    100,
    'Percent of recent events that may be parked; above it a bad deploy is assumed and nothing is.',
  ),
  ORDERS_PROJECTION: toggle(
    'on',
    'Whether the table "orders" is kept. Off saves half of the writes, for teams with tables of their own.',
  ),
  ORDER_PROCESSED_TOPIC: optional(
    (value) => TOPIC.test(value),
    'a topic name',
    'Topic that gets a message for each stored event, through the outbox. Unset: none.',
  ),
  OUTBOX_RETENTION_HOURS: integer(
    24,
    1,
    8760,
    'Hours that published messages are kept in the outbox table.',
  ),
  EMBEDDED_LOG_RETENTION_HOURS: integer(
    168,
    1,
    87_600,
    'Hours that the embedded log keeps records that have been processed. Kafka: a setting of the topic.',
  ),
  PRODUCER_WORKERS: integer(
    1,
    1,
    64,
    'Processes that "producer" serves its port with; one per core at most.',
  ),
  SESSION_TIMEOUT_MS: integer(
    10_000,
    1000,
    300_000,
    "Milliseconds without heartbeat until a consumer's partitions go to others.",
  ),
} as const satisfies Record<string, Spec<unknown>>;

type Table = typeof SETTINGS;
export type SettingName = keyof Table;
export type Settings = { readonly [K in SettingName]: ReturnType<Table[K]['parse']> };

/** Names that begin like one of ours but are none: misspelled, most likely. */
export function misspelledNames(names: readonly string[]): string[] {
  const wordOf = (name: string) => name.split('_')[0] ?? '';
  const words = new Set(Object.keys(SETTINGS).map(wordOf));
  return names.filter((name) => words.has(wordOf(name)) && !Object.hasOwn(SETTINGS, name));
}

/**
 * Reads all settings from an environment.
 * @throws SETTING_INVALID naming every bad value at once; values of secrets are left out.
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, spec] of Object.entries(SETTINGS) as [string, Spec<unknown>][]) {
    const given = env[name]?.trim();
    // An empty value in a .env file means "not set", not "the empty string".
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

/** No value of ours is quoted: the quotes are left over, and would become part of a name. */
function refuseQuotes(value: string, name: string): void {
  if (!/^(["'`\u2018-\u201f]).*["'`\u2018-\u201f]$/s.test(value)) return;
  throw new Error(
    `${name} is in quotes, which "docker run --env-file" and some shells keep: leave them out`,
  );
}

export type SettingFlag = {
  readonly flag: string;
  readonly name: SettingName;
  readonly help: string;
  /** As a sentence for help texts; empty where there is none. */
  readonly fallback: string;
};

/** Every setting as a command-line flag: PRODUCER_PORT is --producer-port. */
export function settingFlags(): SettingFlag[] {
  return (Object.entries(SETTINGS) as [SettingName, Spec<unknown>][]).map(([name, spec]) => ({
    flag: `--${name.toLowerCase().replaceAll('_', '-')}`,
    name,
    help: spec.help,
    fallback: spec.fallback === undefined ? '' : ` Default: ${spec.fallback}.`,
  }));
}

/** The table `orders` is not kept: a team that has its own needs no second one. */
export function isWithoutOrders({ ORDERS_PROJECTION }: Settings): boolean {
  return ORDERS_PROJECTION === 'off';
}
