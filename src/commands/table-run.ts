import type { Command } from './command.ts';
import { EVENTS, HANDLERS, LOG } from './setting-groups.ts';

const SERVE = ['HOST', 'ALLOWED_HOSTS', 'TLS_*', 'API_KEYS_FILE', 'REQUEST_TIMEOUT_MS'] as const;
const WATCH = ['LOG_LEVEL', 'OTEL_*'] as const;
const INGEST = [
  ...['PRODUCER_PORT', 'STATUS_BASE_URL', 'DELIVERY_DEADLINE_MS', 'APPEND_*'],
  ...['EVENTS_MODULE', 'EVENT_BYTES_MAX'],
] as const;
const CONSUME = [
  ...['PROOF', 'PROOF_INTERVAL_SECONDS', 'PROOF_ROUND_MINUTES'],
  ...['CONSUMER_*', ...EVENTS, ...HANDLERS, 'HANDLER_*', 'OUTBOX_RETENTION_HOURS'],
  ...['EMBEDDED_LOG_RETENTION_HOURS', 'SESSION_TIMEOUT_MS', 'READ_ROLE_PAYLOADS'],
] as const;
const unique = (...names: string[]) => [...new Set(names)];
const SERVICE = { isService: true, exits: { 0: null, 1: null, 2: null } } as const;

/** The commands that bring events in and make them take effect. */
export const RUN: readonly Command[] = [
  {
    name: 'start',
    group: 'Run',
    purpose: 'Runs all in one process, with what is missing embedded',
    about:
      'Creates what is missing, as "migrate" does, and runs the ingest API and the consumer in one process. It uses the embedded PostgreSQL unless DATABASE_URL is set, and the embedded log unless KAFKA_BOOTSTRAP_SERVERS is set.',
    forms: [{ action: null, args: [], flags: [] }],
    examples: [
      ['orderonce start', 'Runs without any other server. The data is in .orderonce/.'],
      ['orderonce start --producer-port 8010 --consumer-port 8011', 'Listens on other ports.'],
      ['orderonce start --handlers-module handlers.ts', 'Runs handlers with each event.'],
    ],
    settings: unique(...SERVE, ...LOG, ...INGEST, ...CONSUME, 'HANDLERS_MIGRATIONS', ...WATCH),
    ...SERVICE,
    run: async (call) => (await import('./services.ts')).runStart(call),
  },
  {
    name: 'producer',
    group: 'Run',
    purpose: 'Runs the ingest API',
    about: 'Runs the ingest API: POST /events. Any number may run.',
    forms: [{ action: null, args: [], flags: [] }],
    examples: [
      ['orderonce producer', 'Listens on PRODUCER_PORT.'],
      ['orderonce producer --host 0.0.0.0 --api-keys-file keys.json', 'Is open to the network.'],
      ['orderonce producer --producer-workers 2', 'Runs two processes behind one port.'],
    ],
    settings: unique(...SERVE, ...LOG, ...INGEST, 'PRODUCER_WORKERS', ...WATCH),
    ...SERVICE,
    run: async (call) => (await import('./services.ts')).runProducer(call),
  },
  {
    name: 'consumer',
    group: 'Run',
    purpose: 'Runs a consumer, its HTTP API and the console',
    about:
      'Runs a consumer, with its HTTP API and the console. Any number may run; they share the partitions.',
    forms: [{ action: null, args: [], flags: [] }],
    examples: [
      ['orderonce consumer', 'Listens on CONSUMER_PORT.'],
      ['orderonce consumer --handlers-module handlers.ts', 'Runs handlers with each event.'],
      ['orderonce consumer --consumer-port 8011', 'A second one on the same machine.'],
    ],
    settings: unique(...SERVE, ...LOG, ...CONSUME, ...WATCH),
    ...SERVICE,
    run: async (call) => (await import('./services.ts')).runConsumer(call),
  },
  {
    name: 'send',
    group: 'Run',
    purpose: 'Sends a file of events to the ingest API',
    about:
      'Sends the events of FILE, one per line, to the ingest API; "-" reads standard input. If a run on a file was interrupted, repeat it: it resumes where it stopped. Receipts and rejected lines are written beside the file.',
    forms: [
      { action: null, args: [{ name: 'FILE', isOptional: true }], flags: ['example', 'json'] },
    ],
    examples: [
      ['orderonce send --example', 'Sends one generated event, and prints where to see it.'],
      ['orderonce send events.jsonl', 'Sends a file, and writes events.jsonl.receipts.'],
      ['gunzip -c events.gz | orderonce send -', 'Sends standard input.'],
    ],
    settings: ['HOST', 'PRODUCER_PORT', 'TLS_CERT_FILE', 'API_KEY', 'EVENT_BYTES_MAX'],
    exits: { 0: 'Every event was accepted.', 1: 'An event was rejected.', 2: null, 3: null },
    run: async (call) => (await import('./send.ts')).runSend(call),
  },
];

/** The commands that prepare a deployment. */
export const SET_UP: readonly Command[] = [
  {
    name: 'init',
    group: 'Set up',
    purpose: 'Writes a small project with a handler and its tests',
    about:
      'Writes a small project into DIR (default: this folder): a handler, its table, tests, settings, and files for an image. It overwrites nothing.',
    forms: [{ action: null, args: [{ name: 'DIR', isOptional: true }], flags: ['json'] }],
    examples: [
      ['orderonce init', 'Writes into this folder.'],
      ['orderonce init shop', 'Writes into the folder shop.'],
      ['orderonce init shop --json', 'Prints the names of the files as JSON.'],
    ],
    settings: [],
    exits: { 0: null, 1: 'A file exists already. Nothing was written.', 2: null },
    run: async (call) => (await import('./init.ts')).runInit(call),
  },
  {
    name: 'migrate',
    group: 'Set up',
    purpose: 'Creates tables and topic, each if it is missing',
    about:
      'Creates the tables and the topic (or the embedded log) if they are missing. It is safe to repeat, also while another one runs.',
    forms: [{ action: null, args: [], flags: ['json'] }],
    examples: [
      ['orderonce migrate', 'Creates what is missing.'],
      ['orderonce migrate --kafka-partitions 12', 'Gives a new topic 12 partitions.'],
      ['orderonce migrate --handlers-migrations migrations', 'Also creates tables of handlers.'],
    ],
    settings: [...LOG, ...EVENTS, 'ORDERS_PROJECTION', 'HANDLERS_MIGRATIONS'],
    exits: { 0: null, 1: null, 2: null, 3: null },
    run: async (call) => (await import('./migrate.ts')).runMigrate(call),
  },
  {
    name: 'keys',
    group: 'Set up',
    purpose: 'Makes an API key',
    about:
      'Makes an API key. It prints the key, and the entry to add to API_KEYS_FILE, which holds only its SHA-256 digest.',
    forms: [
      { action: 'new', args: [{ name: 'NAME' }], flags: ['role', 'json'], about: 'Makes a key.' },
    ],
    examples: [
      ['orderonce keys new shop', 'A key that may send events.'],
      ['orderonce keys new dashboard --role read', 'A key that may look.'],
      ['orderonce keys new ann --role admin --json', 'A key that may change, as JSON.'],
    ],
    settings: [],
    exits: { 0: null, 2: null },
    run: async (call) => (await import('./keys.ts')).runKeys(call),
  },
];
