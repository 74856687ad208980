/** Statements that a handler must not run: the transaction and the session are not its own. Pure. */

/** They would end the transaction, begin another, or reach past it. */
const FORBIDDEN =
  /^(abort|begin|commit|deallocate|discard|end|listen|notify|prepare|release|reset|rollback|savepoint|set|start|unlisten)\b/i;
const COMMENTS_AND_SPACE = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()+/;
/** PostgreSQL would wait for its data until the transaction is ended from outside. */
const COPY = /^copy\b/i;
/** The connection is given to other batches afterwards: what belongs to the session stays on it. */
const SESSION_LOCK = /\bpg_(try_)?advisory_lock(_shared)?\s*\(/i;
const TEMPORARY = /^create\s+((global|local)\s+)?temp(orary)?\b(?![\s\S]*\bon\s+commit\s+drop\b)/i;
/** Triggers refuse changes of rows; these take the triggers away. */
const DEFINITION = /^(alter|drop|lock|cluster|reindex|grant|revoke)\b/i;
const CORE_TABLE =
  /\b(schema_migrations|handler_migrations|processed_events|consumer_positions|duplicates|conflicts|dead_letters|dead_letter_audit|held_orders|log_gaps|suspects|position_troubles|closed_positions|deployment_handlers|outbox|outbox_shards|outbox_relays|event_log|event_log_partitions|orders|logs)\b/i;

/** @returns why this statement must not run, or null. */
export function whyForbidden(text: string): string | null {
  const bare = text.replace(COMMENTS_AND_SPACE, '');
  const quoted = `A handler must not run "${bare.slice(0, 60)}"`;
  if (FORBIDDEN.test(bare)) return `${quoted}: the transaction is not its own`;
  if (COPY.test(bare)) return `${quoted}: it needs a stream that a handler does not have`;
  if (SESSION_LOCK.test(bare)) {
    return `${quoted}: the lock would outlive the transaction. Use pg_advisory_xact_lock()`;
  }
  if (TEMPORARY.test(bare)) {
    return `${quoted}: the table would outlive the transaction. Add ON COMMIT DROP`;
  }
  const core = DEFINITION.test(bare) ? CORE_TABLE.exec(bare)?.[0] : undefined;
  return core === undefined ? null : `${quoted}: the table "${core}" is not its own`;
}
