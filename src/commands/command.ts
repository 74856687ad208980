import type { Logger } from '../runtime/logger.ts';
import type { Settings } from '../settings/settings.ts';

/** Exit codes of the process. `orderonce --help` says what each means. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 3 } as const;

/** The options that are not settings. Each help text begins with the commands that use it. */
export const FLAGS = {
  json: { type: 'boolean', help: 'All commands but the services and health: prints JSON.' },
  example: { type: 'boolean', help: 'send: sends one generated event.' },
  all: { type: 'boolean', help: 'dead-letters redrive: redrives all parked dead letters.' },
  state: {
    type: 'string',
    help: 'dead-letters list: lists only this state: parked, waiting or discarded. Default: all.',
  },
  reason: {
    type: 'string',
    help: 'dead-letters list, redrive: selects the dead letters with this reason, such as invalid_event. dead-letters discard, positions accept-*, proof acknowledge: why you do it; stored for good.',
  },
  local: {
    type: 'boolean',
    help: 'dead-letters redrive, edit, discard: works in this process instead of a consumer. It needs the same handlers as the deployment.',
  },
  url: {
    type: 'string',
    help: 'dead-letters redrive, edit, discard: base URL of the consumer that does the work. Default: HOST and CONSUMER_PORT.',
  },
  role: { type: 'string', help: 'keys new: ingest, read or admin. Default: ingest.' },
  payload: {
    type: 'string',
    help: 'dead-letters edit: a file that holds the whole event as JSON.',
  },
  event: { type: 'string', help: 'dead-letters list: selects this event_id.' },
  order: { type: 'string', help: 'dead-letters list, redrive: selects this order_id.' },
  limit: { type: 'string', help: 'dead-letters list: maximum number of lines. Default: 50.' },
  after: { type: 'string', help: 'dead-letters list: starts after this place.' },
  'against-log': {
    type: 'boolean',
    help: 'verify: also reads the log again and compares it with the tables, record by record.',
  },
  receipts: {
    type: 'string',
    help: 'verify: a file of receipts to look up, one JSON object per line.',
  },
} as const;

type FlagTable = typeof FLAGS;
/** The values of the options that were given. */
export type Flags = {
  readonly [K in keyof FlagTable]?: FlagTable[K]['type'] extends 'boolean' ? boolean : string;
};

/** One call of a command. */
export type Call = {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly flags: Flags;
  /** The words after the name of the command. */
  readonly words: readonly string[];
};

/** One command of the command line. */
export type Command = {
  /** The forms of the command in `--help`: what follows its name, or '' if nothing does. */
  readonly usage: readonly string[];
  /** What the command does, in full sentences, with its exit codes. */
  readonly help: string;
  /** How many words may follow the name of the command. */
  readonly wordsMax: number;
  /** @returns the exit code. */
  readonly run: (call: Call) => Promise<number>;
};
