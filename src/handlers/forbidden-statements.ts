/**
 * Recognises statements that a handler must not run, because transaction and session belong to
 * Orderonce. PostgreSQL executes COMMIT and ROLLBACK only as statements of their own, never inside
 * a function, a procedure or a DO block of an open transaction (PostgreSQL manual, 43.8), and the
 * extended protocol takes one statement at a time. So the first word of the text decides. Triggers
 * protect the tables (handler-triggers.sql). Pure.
 */
import { CORE_TABLES } from '../store/core-tables.ts';

/**
 * What a handler may run; any other first word is refused. It is a list of what is harmless, so
 * that a command of a later PostgreSQL, or a text that is read otherwise here than there, is
 * refused as well.
 */
const ALLOWED = new Set(
  `alter analyze call close comment create declare delete do drop execute explain fetch grant insert
  lock merge move refresh reindex revoke select show table truncate update values with`.split(
    /\s+/,
  ),
);
/** COPY would wait for data that a handler cannot send, until a time-out ends the transaction. */
const COPY = 'copy';
/** What PostgreSQL's scanner skips as space (scan.l); JavaScript's \s has more. */
const SPACE = /[ \t\n\r\f\v(]+/y;
const LINE_COMMENT = /--[^\n\r]*/y;
const COMMENT_MARK = /\/\*|\*\//g;
/** These would stay in the session, and so reach later batches on the same connection. */
const SESSION_LOCK = /\bpg_(try_)?advisory_lock(_shared)?"?\s*\(/i;
const TEMPORARY = /^create\s+((global|local)\s+)?temp(orary)?\b(?![\s\S]*\bon\s+commit\s+drop\b)/i;
/** Triggers refuse changes of rows, but these statements could remove or outwit the triggers. */
const DEFINITION =
  /^(alter|drop|lock|reindex|grant|revoke|create\s+(or\s+replace\s+)?(constraint\s+)?(trigger|rule|policy)|create\s+(or\s+replace\s+)?function\s+[^(]*refuse_change_by_handler)\b/i;
const CORE = new RegExp(
  `\\b(${CORE_TABLES.join('|')}|event_data_\\d+|refuse_change_by_handler)\\b`,
  'i',
);
/** These reach the tables without a name of one. */
const WHOLE_SCHEMA = /^(alter|drop)\s+(schema|owned|database)\b/i;

/** @returns why a handler must not run this statement; null if it may. */
export function whyForbidden(text: string): string | null {
  const bare = text.slice(startOf(text));
  const quoted = `A handler must not run "${bare.slice(0, 60)}"`;
  const [word = ''] = /^[a-z]*/i.exec(bare) ?? [];
  const command = word.toLowerCase();
  if (command === COPY) return `${quoted}: a handler has no stream for its data`;
  if (!ALLOWED.has(command)) {
    return `${quoted}: it may only read and write data, as transaction and session belong to Orderonce`;
  }
  if (SESSION_LOCK.test(bare)) {
    return `${quoted}: the lock would outlive the transaction. Use pg_advisory_xact_lock()`;
  }
  if (TEMPORARY.test(bare)) {
    return `${quoted}: the table would outlive the transaction. Add ON COMMIT DROP`;
  }
  if (WHOLE_SCHEMA.test(bare)) return `${quoted}: it could reach what belongs to Orderonce`;
  const core = DEFINITION.test(bare) ? CORE.exec(bare)?.[0] : undefined;
  return core === undefined ? null : `${quoted}: "${core}" belongs to Orderonce`;
}

/**
 * Where the first word of a statement begins: behind spaces, comments and opening parentheses. As
 * in PostgreSQL, a line comment also ends at a carriage return, and comments in slashes nest.
 */
function startOf(text: string): number {
  let at = 0;
  for (let from = -1; at > from; ) {
    from = at;
    at = endOfMatch(LINE_COMMENT, text, endOfMatch(SPACE, text, at));
    if (text.startsWith('/*', at)) at = endOfComment(text, at);
  }
  return at;
}

function endOfMatch(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function endOfComment(text: string, at: number): number {
  COMMENT_MARK.lastIndex = at;
  for (let depth = 0; ; ) {
    const mark = COMMENT_MARK.exec(text);
    if (mark === null) return text.length;
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return COMMENT_MARK.lastIndex;
  }
}
