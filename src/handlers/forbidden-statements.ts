/**
 * Recognises statements that a handler must not run, because transaction and session belong to
 * Orderonce. This gives clear errors early; what protects the tables are triggers
 * (handler-triggers.sql). Pure.
 */

/** They would end the transaction, begin another one, or change the session. */
const FORBIDDEN =
  /^(abort|begin|commit|deallocate|discard|end|listen|notify|prepare|release|reset|rollback|savepoint|set|start|unlisten)\b/i;
const COMMENTS_AND_SPACE = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()+/;
/** COPY would wait for data that a handler cannot send, until a time-out ends the transaction. */
const COPY = /^copy\b/i;
/** These would stay in the session, and so reach later batches on the same connection. */
const SESSION_LOCK = /\bpg_(try_)?advisory_lock(_shared)?\s*\(/i;
const TEMPORARY = /^create\s+((global|local)\s+)?temp(orary)?\b(?![\s\S]*\bon\s+commit\s+drop\b)/i;
/** Triggers refuse changes of rows, but these statements could remove the triggers. */
const DEFINITION = /^(alter|drop|lock|cluster|reindex|grant|revoke)\b/i;
const CORE_TABLE =
  /\b(schema_migrations|handler_migrations|processed_events|consumer_positions|duplicates|conflicts|dead_letters|dead_letter_audit|held_orders|log_gaps|suspects|position_troubles|closed_positions|deployment_handlers|outbox|outbox_shards|outbox_relays|event_log|event_log_partitions|orders|logs)\b/i;

/** @returns why a handler must not run this statement; null if it may. */
export function whyForbidden(text: string): string | null {
  const bare = text.replace(COMMENTS_AND_SPACE, '');
  const quoted = `A handler must not run "${bare.slice(0, 60)}"`;
  if (FORBIDDEN.test(bare)) return `${quoted}: transaction and session belong to Orderonce`;
  if (COPY.test(bare)) return `${quoted}: a handler has no stream for its data`;
  if (SESSION_LOCK.test(bare)) {
    return `${quoted}: the lock would outlive the transaction. Use pg_advisory_xact_lock()`;
  }
  if (TEMPORARY.test(bare)) {
    return `${quoted}: the table would outlive the transaction. Add ON COMMIT DROP`;
  }
  const core = DEFINITION.test(bare) ? CORE_TABLE.exec(bare)?.[0] : undefined;
  return core === undefined ? null : `${quoted}: the table "${core}" belongs to Orderonce`;
}
