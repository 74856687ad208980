/**
 * The tables that carry the guarantees. A handler runs in the transaction that writes them, so a
 * trigger refuses its changes of their rows (handler-triggers.sql), and its statements that would
 * change what they are do not run (forbidden-statements.ts). Days of event_data get their trigger
 * as they are created (migration 0013).
 */
export const CORE_TABLES = [
  'schema_migrations',
  'handler_migrations',
  'logs',
  'processed_events',
  'event_data',
  'event_data_other',
  'event_types',
  'orders',
  'consumer_positions',
  'duplicates',
  'conflicts',
  'dead_letters',
  'dead_letter_audit',
  'held_orders',
  'log_gaps',
  'suspects',
  'position_troubles',
  'closed_positions',
  'outbox',
  'outbox_shards',
  'outbox_relays',
  'event_log',
  'event_log_partitions',
  'deployment_handlers',
  'activity',
  'processes',
  'redrive_jobs',
  'proof_worker',
  'proof_progress',
  'proof_segments',
  'proof_findings',
] as const;
