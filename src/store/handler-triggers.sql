-- The tables that a handler must not change, each with a trigger that refuses it (migration 0010). Run
-- by every "migrate", with the schema as search_path: the table of the orders projection may come
-- later, or be somebody else's.
DO $$
DECLARE
  core text;
  place regclass;
BEGIN
  FOREACH core IN ARRAY ARRAY[
    'schema_migrations', 'handler_migrations', 'logs', 'processed_events', 'orders', 'consumer_positions', 'duplicates',
    'conflicts', 'dead_letters', 'dead_letter_audit', 'held_orders', 'log_gaps', 'suspects',
    'position_troubles', 'closed_positions', 'outbox', 'outbox_shards', 'outbox_relays',
    'event_log', 'event_log_partitions', 'deployment_handlers'
  ] LOOP
    place := to_regclass(format('%I.%I', current_schema(), core));
    CONTINUE WHEN place IS NULL
      OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = place AND tgname = 'refuse_handlers');
    CONTINUE WHEN core = 'orders'
      AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'last_log_offset');
    EXECUTE format(
      'CREATE TRIGGER refuse_handlers BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
         FOR EACH STATEMENT WHEN (current_setting(''orderonce_guard.handler'', true) <> '''')
         EXECUTE FUNCTION refuse_change_by_handler()', place);
    -- Also where session_replication_role says that triggers are not to fire.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_handlers', place);
  END LOOP;
END
$$;
