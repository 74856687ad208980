/**
 * The one registry of error codes. `kind` alone decides how the system reacts to an error. No code
 * may decide from the text of a message.
 *
 * - rejected: the caller made the mistake. Nothing happened, and sending the same again gets the
 *   same answer.
 * - transient: a dependency failed. The system waits and retries without limit; nothing is lost.
 * - terminal: retrying cannot succeed. The part stops, reports it, and says which step resolves it.
 * - bug: our own code broke a promise. The transaction is rolled back, the event stays in the log,
 *   and the error is reported.
 */
export type ErrorKind = 'rejected' | 'transient' | 'terminal' | 'bug';

type ErrorEntry = { readonly kind: ErrorKind; readonly help: string };

export const ERRORS = {
  SETTING_INVALID: {
    kind: 'rejected',
    help: 'A setting or flag has an invalid value. The message names the setting and its valid values.',
  },
  NOTHING_MATCHES: {
    kind: 'rejected',
    help: 'Nothing has the id, place or filter that was given to a command. The exit code is 4. Check the spelling.',
  },
  FILES_EXIST: {
    kind: 'rejected',
    help: 'A file that "orderonce init" writes exists already. Nothing was written. Give another folder.',
  },
  PORT_TAKEN: {
    kind: 'rejected',
    help: 'Another process already listens on the port. Stop that process, or choose another port.',
  },
  API_UNREACHABLE: {
    kind: 'transient',
    help: 'No ingest API answers at the configured address. Start it, or set HOST and PRODUCER_PORT to its address.',
  },
  API_REFUSES: {
    kind: 'rejected',
    help: 'The ingest API refuses every request of "orderonce send": API_KEY is missing or wrong, or another program answers at that address. The message quotes the answer.',
  },
  DATA_DIR_UNUSABLE: {
    kind: 'rejected',
    help: 'The data directory is in use, only partly initialised, or not accessible. The message says how to repair it.',
  },
  EVENTS_INVALID: {
    kind: 'rejected',
    help: 'EVENTS_MODULE cannot be used. The message names the type and the path in its declaration, and what is wrong there.',
  },
  EVENT_TYPE_CHANGED: {
    kind: 'terminal',
    help: 'The declared data of an event type differs from what was recorded for the same version, by more than new optional fields. Nothing was changed. Declare a new version with an upgrade function, as the message says.',
  },
  EMBEDDED_POSTGRES_UNAVAILABLE: {
    kind: 'rejected',
    help: 'The embedded PostgreSQL cannot run on this platform or under this account. Set DATABASE_URL to a PostgreSQL server.',
  },
  NOT_MIGRATED: {
    kind: 'transient',
    help: 'The tables or the topic do not exist yet. Run "orderonce migrate"; the services wait until it has run.',
  },
  MIGRATION_CHANGED: {
    kind: 'terminal',
    help: 'A migration that was applied to the database differs from the one in this release. Run the release that the database was migrated with.',
  },
  HANDLER_MIGRATION_CHANGED: {
    kind: 'terminal',
    help: 'A file of HANDLERS_MIGRATIONS was changed after it was applied, or a new file comes before one that was applied. Nothing was applied. The message names the file and says what to do.',
  },
  HANDLER_MIGRATION_FAILED: {
    kind: 'terminal',
    help: 'A file of HANDLERS_MIGRATIONS cannot be read, or PostgreSQL refused it. Files before it stay applied, and it is tried again by the next "orderonce migrate". The message gives the file, the line and the reason.',
  },
  DATABASE_NOT_UTF8: {
    kind: 'terminal',
    help: 'The database does not use the encoding UTF8, so it could not store every valid event. Create a database with ENCODING UTF8 and set DATABASE_URL to it.',
  },
  SCHEMA_AMBIGUOUS: {
    kind: 'terminal',
    help: 'Several schemas of the database hold tables of Orderonce. Set DATABASE_SCHEMA to the one to use.',
  },
  SCHEMA_TAKEN: {
    kind: 'terminal',
    help: 'The schema holds a table of another application with a name that Orderonce needs, such as schema_migrations or orders. Set DATABASE_SCHEMA to a schema that only Orderonce uses.',
  },
  SCHEMA_FORBIDDEN: {
    kind: 'terminal',
    help: 'The role may not create the schema, or tables in it. The message contains the statement that an administrator must run.',
  },
  LOG_UNAVAILABLE: {
    kind: 'transient',
    help: 'The log (Kafka or the embedded log) does not answer. The services wait and retry.',
  },
  LOG_NOT_CREATED: {
    kind: 'transient',
    help: 'Kafka refuses to create the topic, because a right is missing or because of its settings. The message gives the reason. Remove it, or let an administrator create the topic; the services wait until it exists.',
  },
  LOG_NOT_ACKNOWLEDGED: {
    kind: 'transient',
    help: 'The log did not acknowledge an append in time, so the outcome is unknown. Send the same event again: this is safe.',
  },
  LOG_REFUSES_APPENDS: {
    kind: 'transient',
    help: 'Kafka refuses every append to the topic, because a right is missing or because of the settings of the topic. Nothing was appended. The message gives the reason and what to change.',
  },
  RECORD_TOO_LARGE: {
    kind: 'rejected',
    help: 'The record is larger than the log accepts. Events sent to the API are far smaller than the default limit; check max.message.bytes of the topic.',
  },
  RECORD_REFUSED: {
    kind: 'rejected',
    help: 'The broker refuses this record, for example because of a policy of the topic. The message gives the reason. The broker would refuse the same record again.',
  },
  QUEUE_FULL: {
    kind: 'transient',
    help: 'The bounded queue in front of the log is full. Nothing was appended. Retry after the number of seconds in Retry-After.',
  },
  DRAINING: {
    kind: 'transient',
    help: 'The service is stopping. Nothing was appended. Retry: another process will answer.',
  },
  DATABASE_UNAVAILABLE: {
    kind: 'transient',
    help: 'PostgreSQL does not answer, or cannot execute statements at present. The consumer waits and retries; the log keeps the events.',
  },
  COMMIT_ROLLED_BACK: {
    kind: 'bug',
    help: 'PostgreSQL answered ROLLBACK to COMMIT, because an SQL error inside the transaction was caught and ignored. Nothing was stored; the batch is retried.',
  },
  OUTCOMES_DO_NOT_ADD_UP: {
    kind: 'bug',
    help: 'The outcomes of a batch do not account for each of its records. The batch was rolled back and is retried.',
  },
  ALL_REFUSED: {
    kind: 'transient',
    help: 'PostgreSQL refuses every event of a batch, which points to a changed table rather than to bad events. Nothing is parked and the partition waits. Check the constraints and triggers of the tables.',
  },
  CLAIM_RACE: {
    kind: 'transient',
    help: 'Two partitions claimed the same event id at the same time, one to store it and one to park it. The second transaction rolls back and is retried.',
  },
  POSITION_MOVED: {
    kind: 'transient',
    help: 'Another process moved the position of the partition. The owner itself also sees this after the reply to its COMMIT was lost. The consumer reads the position again. If this persists, a second deployment consumes into the same tables: stop it.',
  },
  HANDLERS_REFUSE_TOO_MUCH: {
    kind: 'transient',
    help: 'A large share of recent events would be parked, which points to a faulty release of the handlers. Nothing is parked and the partition waits. Fix the handlers, or raise HANDLER_PARK_PERCENT_MAX.',
  },
  HANDLER_FAILS: {
    kind: 'transient',
    help: 'An event fails for an unknown reason when processed alone. It is retried before anything behind it, and parked after HANDLER_ATTEMPTS_MAX failures if other events succeeded after each of them.',
  },
  WAITS_FOR_OLDER_PARTITIONS: {
    kind: 'transient',
    help: 'Partitions were added to the topic. An added partition waits until the older ones have been processed up to the ends that they had at that time, so that the events of each order stay in sequence.',
  },
  HANDLERS_DIFFER: {
    kind: 'rejected',
    help: 'The handlers of this process differ from those of the deployment, so a redrive here would have a different effect. Nothing was changed. Leave out --local, so that a consumer redrives, or set HANDLERS_MODULE, ORDER_PROCESSED_TOPIC and ORDERS_PROJECTION to the values that the consumers use.',
  },
  CONSUMER_UNREACHABLE: {
    kind: 'transient',
    help: 'No consumer answers at the configured address. Start one, give its address with --url, or redrive in this process with --local and the HANDLERS_MODULE of the deployment.',
  },
  HANDLERS_INVALID: {
    kind: 'rejected',
    help: 'The module that HANDLERS_MODULE points to cannot be loaded, or does not export handlers. The message says what is wrong.',
  },
  DECODE_INVALID: {
    kind: 'rejected',
    help: 'The module that DECODE_MODULE points to cannot be loaded, or does not export a function "decode". The message says what is wrong.',
  },
  DEAD_LETTER_UNKNOWN: {
    kind: 'rejected',
    help: 'There is no dead letter at this place: it was already redriven or discarded, or the place is wrong. Run "orderonce dead-letters list". The exit code is 4.',
  },
  TOO_MANY_FINDINGS: {
    kind: 'transient',
    help: 'The continuous proof has found more contradictions than it stores, and does not advance. Resolve what it found, or acknowledge findings whose reason is known.',
  },
  FINDING_UNKNOWN: {
    kind: 'rejected',
    help: 'There is no finding of the continuous proof with this number, or it has vanished. Run "orderonce proof".',
  },
  EDIT_REFUSED: {
    kind: 'rejected',
    help: 'The edited payload is not a valid event, or its event_id differs from that of the record. Nothing was changed.',
  },
  POSITION_NOT_IN_TROUBLE: {
    kind: 'rejected',
    help: 'The partition is not in the state that this command resolves: it has no trouble, another trouble, or its position has moved meanwhile. Nothing was changed. Run "orderonce positions".',
  },
  LOG_RECREATED: {
    kind: 'terminal',
    help: 'The id of the topic differs from the one stored with the position: the topic was deleted and created again. Its partitions stop. "orderonce positions accept-new-log --reason WHY" begins at the start of the new topic; what was processed from the old one stays accounted for.',
  },
  POSITION_BEFORE_LOG_START: {
    kind: 'terminal',
    help: 'Retention removed records that were not processed. The partition stops, and the message names the missing range. Restore the records if you can. Otherwise "orderonce positions accept-gap PARTITION --reason WHY" continues without them, and log_gaps keeps the range.',
  },
  POSITION_PAST_LOG_END: {
    kind: 'terminal',
    help: 'The log ends before the position: it was truncated, for example by an unclean leader election. The partition stops. "orderonce positions accept-cut PARTITION --reason WHY" continues from the first offset where the log differs.',
  },
  LOG_REWRITTEN: {
    kind: 'terminal',
    help: 'The record before the position is not the one that was processed there: the log was truncated and new records were appended. The partition stops. "orderonce positions accept-cut PARTITION --reason WHY" continues from the first offset where the log differs.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * The base class of every error that this code base throws on purpose. `message` says what is wrong
 * and what to do about it.
 */
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

  static {
    brand(OrderonceError, 'OrderonceError');
  }
}

/**
 * Makes `instanceof` true for an error of the same class from another copy of this package. A team's
 * module may bring a copy of its own, whose classes are other objects than those of the process
 * that runs it. Subclasses keep the usual `instanceof`.
 *
 * @param name of the class, the same in every copy and every release.
 */
export function brand(ofClass: new (...args: never[]) => Error, name: string): void {
  const mark = Symbol.for(`orderonce.${name}`);
  Object.defineProperty(ofClass.prototype, mark, { value: true });
  Object.defineProperty(ofClass, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== ofClass) return Function.prototype[Symbol.hasInstance].call(this, value);
      if (typeof value !== 'object' || value === null) return false;
      return (value as Record<symbol, unknown>)[mark] === true;
    },
  });
}

/** Longer messages are cut, because they are copied into logs, health pages and tables. */
const REASON_CHARS_MAX = 2000;
/** Limits the recursion: an AggregateError may contain itself. */
const DEPTH_MAX = 5;

/**
 * The innermost message that is not empty, at most 2000 characters, for health pages and logs.
 * Never throws: a team's handlers may throw any value, and a getter of that value that throws must
 * not become a second error here.
 */
export function reasonOf(error: unknown, depth = 0): string {
  try {
    return describe(error, depth).slice(0, REASON_CHARS_MAX);
  } catch {
    return 'The message of an error cannot be read: reading it throws another error';
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
