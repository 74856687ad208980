import type { Logger } from '../runtime/logger.ts';
import type { Settings } from '../settings/settings.ts';

/** What the process ends with. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 3 } as const;

/** Flags that are not settings. */
export const FLAGS = {
  json: { type: 'boolean', help: 'Answers as JSON.' },
  example: { type: 'boolean', help: 'send: a made-up event.' },
  all: { type: 'boolean', help: 'dead-letters redrive: all that are parked.' },
  state: { type: 'string', help: 'dead-letters: only parked, waiting or discarded ones.' },
  reason: {
    type: 'string',
    help: 'dead-letters: only those parked for this reason; discard, positions: why.',
  },
  local: {
    type: 'boolean',
    help: 'dead-letters redrive, edit, discard: here, not in a consumer; with the same handlers only.',
  },
  url: {
    type: 'string',
    help: 'dead-letters redrive, edit, discard: the consumer that does it. Default: HOST and CONSUMER_PORT.',
  },
  role: { type: 'string', help: 'keys new: ingest, read or admin. Default: ingest.' },
  payload: { type: 'string', help: 'dead-letters edit: a file with the whole event as JSON.' },
  event: { type: 'string', help: 'dead-letters list: only this event id.' },
  order: { type: 'string', help: 'dead-letters list, redrive: only this order id.' },
  limit: { type: 'string', help: 'dead-letters list: how many at most. Default: 50.' },
  after: { type: 'string', help: 'dead-letters list: only those behind this place.' },
  'against-log': {
    type: 'boolean',
    help: 'verify: also reads the log again, and compares record by record.',
  },
  receipts: { type: 'string', help: 'verify: a file of receipts, one JSON object per line.' },
} as const;

type FlagTable = typeof FLAGS;
export type Flags = {
  readonly [K in keyof FlagTable]?: FlagTable[K]['type'] extends 'boolean' ? boolean : string;
};

export type Call = {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly flags: Flags;
  /** The words behind the command's own. */
  readonly words: readonly string[];
};

/** What one word of the command line does. */
export type Command = {
  readonly help: string;
  /** How many words may follow at most. */
  readonly wordsMax: number;
  /** @returns the exit code. */
  readonly run: (call: Call) => Promise<number>;
};
