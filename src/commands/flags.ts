/** The options that are not settings. Which command takes which of them, the command table says. */
type Flag =
  | { readonly type: 'boolean'; readonly help: string }
  | {
      readonly type: 'string';
      /** The name of its value in the usage. */
      readonly value: string;
      /** All valid values, where they are few. */
      readonly values?: readonly string[];
      readonly help: string;
    };

export const FLAGS = {
  help: { type: 'boolean', help: 'Prints the help of the command; -h is the same.' },
  version: { type: 'boolean', help: 'Prints the version.' },
  color: {
    type: 'string',
    value: 'WHEN',
    values: ['auto', 'always', 'never'],
    help: 'When to use colour. Default: auto, which is on a terminal, unless NO_COLOR is set. FORCE_COLOR is the same as always.',
  },
  json: {
    type: 'boolean',
    help: 'Prints JSON to standard output, and an error as JSON to standard error.',
  },
  example: { type: 'boolean', help: 'Sends one generated event.' },
  all: { type: 'boolean', help: 'All parked dead letters.' },
  state: {
    type: 'string',
    value: 'STATE',
    values: ['parked', 'waiting', 'discarded'],
    help: 'Only this state: parked, waiting or discarded.',
  },
  reason: {
    type: 'string',
    value: 'REASON',
    help: 'Of dead letters to list or redrive: only those with this reason, such as invalid_event. Of a decision: why you make it; it is stored for good.',
  },
  event: { type: 'string', value: 'ID', help: 'Only this event_id.' },
  order: { type: 'string', value: 'ID', help: 'Only this order_id.' },
  limit: { type: 'string', value: 'N', help: 'Maximum number of lines.' },
  after: { type: 'string', value: 'PLACE', help: 'Only what is behind this place in log order.' },
  plan: {
    type: 'boolean',
    help: 'Changes nothing: counts what matches, and tries up to 20 of them, each rolled back.',
  },
  count: {
    type: 'string',
    value: 'N',
    help: 'How many dead letters match, as --plan says. More than 100 need it.',
  },
  why: {
    type: 'string',
    value: 'TEXT',
    help: 'Why you do it, for the audit. More than 100 dead letters need it.',
  },
  rate: { type: 'string', value: 'N', help: 'At most this many dead letters a second, 1 to 1000.' },
  first: { type: 'string', value: 'N', help: 'Only the first ones, in log order.' },
  payload: { type: 'string', value: 'FILE', help: 'A file that holds the whole event as JSON.' },
  local: {
    type: 'boolean',
    help: 'Works in this process instead of a consumer. It needs the handlers of the deployment.',
  },
  url: {
    type: 'string',
    value: 'URL',
    help: 'Base URL of the consumer to ask. Default: HOST and CONSUMER_PORT. Only lag, positions and what reads dead letters need no consumer; without it they read PostgreSQL and the log.',
  },
  seconds: { type: 'string', value: 'N', help: 'Ends after this time. Default: it does not end.' },
  only: {
    type: 'string',
    value: 'KIND',
    values: ['outcome', 'overview', 'redrive'],
    help: 'What to show: outcome (new dead letters, conflicts and duplicates), overview or redrive. Default: outcome.',
  },
  role: {
    type: 'string',
    value: 'ROLE',
    values: ['ingest', 'read', 'admin'],
    help: 'What the key allows: ingest, read or admin. Default: ingest.',
  },
  topic: {
    type: 'string',
    value: 'NAME',
    help: 'The topic of the partition, if there are several (KAFKA_TOPICS).',
  },
  'against-log': {
    type: 'boolean',
    help: 'Also reads the log again and compares it with the tables, record by record.',
  },
  receipts: {
    type: 'string',
    value: 'FILE',
    help: 'A file of receipts to look up, one JSON object per line.',
  },
} as const satisfies Readonly<Record<string, Flag>>;

type FlagTable = typeof FLAGS;
export type FlagName = keyof FlagTable;

/** Every command takes these. */
export const COMMON_FLAGS = ['help', 'color'] as const satisfies readonly FlagName[];

/** The values of the options that were given. */
export type Flags = {
  readonly [K in FlagName]?: FlagTable[K]['type'] extends 'boolean' ? boolean : string;
};

/** `--url URL`, as a usage shows it. */
export function flagUsage(name: FlagName): string {
  const flag: Flag = FLAGS[name];
  return flag.type === 'boolean' ? `--${name}` : `--${name} ${flag.value}`;
}

/** The valid values of an option, where they are few; empty otherwise. */
export function valuesOf(name: FlagName): readonly string[] {
  const flag: Flag = FLAGS[name];
  return flag.type === 'string' ? (flag.values ?? []) : [];
}
