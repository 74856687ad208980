-- A day of event_data is created as a table of its own and then attached, so that the lock on
-- event_data lets events be stored meanwhile (PostgreSQL manual, ALTER TABLE, ATTACH PARTITION). The
-- lock on the default partition conflicts with readers of all days, such as reports: whoever waited for
-- it would hold up the readers that come after. So the wait is short, and the day stays for a later call.
CREATE OR REPLACE FUNCTION create_event_data_days(days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
DECLARE
  day timestamptz;
  name text;
  created integer := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('orderonce event_data'), quote_ident(current_schema())::regnamespace::oid::integer) THEN
    RETURN 0;
  END IF;
  FOR i IN 0 .. least(greatest(days, 0), 30) LOOP
    day := (date_trunc('day', now() AT TIME ZONE 'UTC') + make_interval(days => i)) AT TIME ZONE 'UTC';
    name := 'event_data_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
    CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), name)) IS NOT NULL
      OR EXISTS (SELECT FROM event_data_other WHERE stored_at >= day AND stored_at < day + interval '1 day');
    BEGIN
      EXECUTE format('CREATE TABLE %I (LIKE event_data INCLUDING ALL)', name);
      -- As handler-triggers.sql has it for the other tables.
      EXECUTE format('CREATE TRIGGER refuse_handlers BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I
        FOR EACH STATEMENT WHEN (current_setting(''orderonce_guard.handler'', true) <> '''')
        EXECUTE FUNCTION refuse_change_by_handler()', name);
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_handlers', name);
      EXECUTE format('ALTER TABLE event_data ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, day, day + interval '1 day');
      created := created + 1;
    EXCEPTION WHEN lock_not_available THEN
      RETURN created;
    END;
  END LOOP;
  RETURN created;
END $$;
