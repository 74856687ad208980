-- Creates a trigger on each table that a handler must not change, which refuses the change
-- (migration 0010, core-tables.ts). Every "migrate" runs this, with the schema as search_path, because
-- the table orders may be created later. A table orders of another application gets no trigger.
DO $$
DECLARE
  core text;
  place regclass;
BEGIN
  FOREACH core IN ARRAY string_to_array(current_setting('orderonce_core.tables'), ',') LOOP
    place := to_regclass(format('%I.%I', current_schema(), core));
    CONTINUE WHEN place IS NULL
      OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = place AND tgname = 'refuse_handlers');
    CONTINUE WHEN core = 'orders'
      AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'last_log_offset');
    EXECUTE format(
      'CREATE TRIGGER refuse_handlers BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s
         FOR EACH STATEMENT WHEN (current_setting(''orderonce_guard.handler'', true) <> '''')
         EXECUTE FUNCTION refuse_change_by_handler()', place);
    -- It must fire even if session_replication_role disables triggers.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_handlers', place);
  END LOOP;
END
$$;
