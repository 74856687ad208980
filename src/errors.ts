/**
 * The one registry of error codes. `kind` decides what the system does with an error, not what
 * it says: nothing else in the code may guess from a message.
 *
 * - rejected: the caller's fault; nothing happened; sending the same again gives the same answer.
 * - transient: a dependency's fault; wait and try the same again, for ever; nothing is lost.
 * - terminal: will never succeed by itself; the part stops loudly and says which step resolves it.
 * - bug: a broken promise of our own code; roll back, keep the event, say so.
 */
export type ErrorKind = 'rejected' | 'transient' | 'terminal' | 'bug';

type ErrorEntry = { readonly kind: ErrorKind; readonly help: string };

export const ERRORS = {
  SETTING_INVALID: {
    kind: 'rejected',
    help: 'A setting or flag does not parse. The message names it and its valid values.',
  },
  PORT_TAKEN: {
    kind: 'rejected',
    help: 'Another process listens on the port. Stop it, or start with another port.',
  },
  API_UNREACHABLE: {
    kind: 'transient',
    help: 'No ingest API answers where the settings say. Start it, or name its HOST and PRODUCER_PORT.',
  },
  API_REFUSES: {
    kind: 'rejected',
    help: 'The ingest API refuses what "orderonce send" brings, and would each time: no right API_KEY, or something else answers there. The message has its words.',
  },
  DATA_DIR_UNUSABLE: {
    kind: 'rejected',
    help: 'The data directory is in use, half initialised or not accessible. The message says how to mend it.',
  },
  EMBEDDED_POSTGRES_UNAVAILABLE: {
    kind: 'rejected',
    help: 'No embedded PostgreSQL runs on this platform or account. Set DATABASE_URL to a real one.',
  },
  NOT_MIGRATED: {
    kind: 'transient',
    help: 'Tables or topic are missing. Run "orderonce migrate"; the services wait for it.',
  },
  MIGRATION_CHANGED: {
    kind: 'terminal',
    help: 'An applied migration differs from the file of this release. Run the release that the database belongs to.',
  },
  DATABASE_NOT_UTF8: {
    kind: 'terminal',
    help: 'The database has another encoding than UTF8, in which valid events could not be stored. Create one with ENCODING UTF8 and name it in DATABASE_URL.',
  },
  SCHEMA_AMBIGUOUS: {
    kind: 'terminal',
    help: 'Several schemas of the database hold tables of Orderonce. Set DATABASE_SCHEMA to the one that is meant.',
  },
  SCHEMA_TAKEN: {
    kind: 'terminal',
    help: 'The schema holds a table of another application by a name that Orderonce needs, such as schema_migrations or orders. Set DATABASE_SCHEMA to a schema of its own.',
  },
  SCHEMA_FORBIDDEN: {
    kind: 'terminal',
    help: 'The role may not make the schema, or tables in it. The message has the statement for an administrator.',
  },
  LOG_UNAVAILABLE: {
    kind: 'transient',
    help: 'The log (Kafka or the embedded one) does not answer. The services wait and try again.',
  },
  LOG_NOT_ACKNOWLEDGED: {
    kind: 'transient',
    help: 'The log did not acknowledge an append in time; the outcome is unknown. Sending the same event again is safe.',
  },
  LOG_REFUSES_APPENDS: {
    kind: 'transient',
    help: 'Kafka refuses every append to the topic, for want of rights or by its settings; nothing was appended. The message says why, and what to grant.',
  },
  RECORD_TOO_LARGE: {
    kind: 'rejected',
    help: 'The log does not take a record of this size. Events of the API stay far below; see max.message.bytes of the topic.',
  },
  RECORD_REFUSED: {
    kind: 'rejected',
    help: 'The broker refuses the record itself, for example by a policy of the topic. The message says why. Sending it again is refused again.',
  },
  QUEUE_FULL: {
    kind: 'transient',
    help: 'The bounded queue in front of the log is full; nothing was appended. Try again after the given seconds.',
  },
  DRAINING: {
    kind: 'transient',
    help: 'The service is stopping; nothing was appended. Try again: another process will answer.',
  },
  DATABASE_UNAVAILABLE: {
    kind: 'transient',
    help: 'PostgreSQL does not answer or cannot work now. The consumer waits and tries again; the log keeps the events.',
  },
  COMMIT_ROLLED_BACK: {
    kind: 'bug',
    help: 'PostgreSQL answered ROLLBACK to COMMIT: something swallowed an SQL error inside the transaction. Nothing was stored; the batch is tried again.',
  },
  OUTCOMES_DO_NOT_ADD_UP: {
    kind: 'bug',
    help: 'The outcomes of a batch do not account for each of its records. It was rolled back and is tried again.',
  },
  ALL_REFUSED: {
    kind: 'transient',
    help: 'Every event of a batch is refused, which looks like a changed table rather than like bad events: nothing is parked, the partition waits. Look at constraints and triggers of the tables.',
  },
  CLAIM_RACE: {
    kind: 'transient',
    help: 'Two partitions took one event id at the same moment, one to store it, one to park it. The second rolls back and tries again.',
  },
  POSITION_MOVED: {
    kind: 'transient',
    help: 'Another process moved the position of the partition (a lost COMMIT reply makes the rightful owner see this too). The position is read again. If it persists, a second deployment consumes into the same tables.',
  },
  HANDLERS_REFUSE_TOO_MUCH: {
    kind: 'transient',
    help: 'A large share of recent events would be parked, which looks like a bad deploy of handlers: nothing is parked, the partition waits. Mend the handlers, or raise HANDLER_PARK_PERCENT_MAX.',
  },
  HANDLER_FAILS: {
    kind: 'transient',
    help: 'An event fails alone for an unknown reason. It is tried again before anything behind it, and parked after HANDLER_ATTEMPTS_MAX failures that were each followed by a success of others.',
  },
  WAITS_FOR_OLDER_PARTITIONS: {
    kind: 'transient',
    help: 'The topic has grown: the added partition waits until the older ones have passed the ends they had then, so that each order keeps its order.',
  },
  HANDLERS_DIFFER: {
    kind: 'rejected',
    help: 'The handlers here are not those that the deployment runs: a redrive with them would do something else. Nothing was changed. Leave out --local, so that a consumer redrives, or set HANDLERS_MODULE (and ORDER_PROCESSED_TOPIC, ORDERS_PROJECTION) as the consumers have them.',
  },
  CONSUMER_UNREACHABLE: {
    kind: 'transient',
    help: 'No consumer answers where the settings say. Start it, name it with --url, or redrive here with --local and the HANDLERS_MODULE of the deployment.',
  },
  HANDLERS_INVALID: {
    kind: 'rejected',
    help: 'The module named by HANDLERS_MODULE cannot be loaded, or does not export handlers. The message says what is wrong.',
  },
  DEAD_LETTER_UNKNOWN: {
    kind: 'rejected',
    help: 'There is no dead letter at this place: it was redriven already, or the place is wrong. See "orderonce dead-letters list".',
  },
  EDIT_REFUSED: {
    kind: 'rejected',
    help: 'The edited payload is no valid event, or has another id than the record. Nothing was changed.',
  },
  POSITION_NOT_IN_TROUBLE: {
    kind: 'rejected',
    help: 'There is nothing of this kind to accept: the partition is fine, in another trouble, or moved meanwhile. Nothing was changed. See "orderonce positions".',
  },
  LOG_RECREATED: {
    kind: 'terminal',
    help: 'The topic has another id than the position was taken in: it was deleted and re-created. The partitions stop. "orderonce positions accept-new-log --reason WHY" begins at the start of the new one; what was processed of the old one stays accounted for.',
  },
  POSITION_BEFORE_LOG_START: {
    kind: 'terminal',
    help: 'Retention removed records that were not processed. The partition stops; the message names the missing range. Bring the records back if you can; "orderonce positions accept-gap PARTITION --reason WHY" goes on without them, and log_gaps keeps the range.',
  },
  POSITION_PAST_LOG_END: {
    kind: 'terminal',
    help: 'The log ends before the position: it was truncated (for example by an unclean leader election). The partition stops. "orderonce positions accept-cut PARTITION --reason WHY" goes on where the log differs.',
  },
  LOG_REWRITTEN: {
    kind: 'terminal',
    help: 'The record before the position is not the one that was processed there: the log was truncated and grew again. The partition stops. "orderonce positions accept-cut PARTITION --reason WHY" goes on where the log differs.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** The one base class of thrown errors. `message` says what is wrong and what to do about it. */
export class OrderonceError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'OrderonceError';
    this.code = code;
  }
  get kind(): ErrorKind {
    return ERRORS[this.code].kind;
  }
}

/** Longer messages are cut: they end up in logs, health pages and tables. */
const REASON_CHARS_MAX = 2000;
/** An AggregateError may hold itself. */
const DEPTH_MAX = 5;

/**
 * The innermost message that says something, for health pages and logs. Never throws, whatever it
 * is given: a team's code may throw anything, and an error whose message cannot be read must not
 * become an error of ours.
 */
export function reasonOf(error: unknown, depth = 0): string {
  try {
    return describe(error, depth).slice(0, REASON_CHARS_MAX);
  } catch {
    return 'An error that cannot be read: reading it throws another one';
  }
}

function describe(error: unknown, depth: number): string {
  if (typeof error === 'function') return `function ${error.name}`;
  if (typeof error !== 'object' || error === null) return String(error);
  const { message } = error as { message?: unknown };
  if (error instanceof AggregateError && message === '' && depth < DEPTH_MAX) {
    if (error.errors.length > 0) return reasonOf(error.errors[0], depth + 1);
  }
  if (typeof message === 'string' && message !== '') return message;
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  return `${error.name}${code}`;
}
