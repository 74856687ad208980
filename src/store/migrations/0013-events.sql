-- Events with a type: their data, the declared types, amounts with a sign or none, and text ids.

-- An amount is any but 0, or NULL in an event of a type that has none. NOT VALID: the check that it
-- replaces was stricter, so the rows that are there need not be read.
ALTER TABLE processed_events
  ALTER COLUMN total_amount DROP NOT NULL,
  DROP CONSTRAINT processed_events_total_amount_check,
  ADD CONSTRAINT processed_events_total_amount_check CHECK (total_amount <> 0) NOT VALID,
  -- The ids as the sender has them, where those are no UUIDs. The stored id is derived from them.
  ADD COLUMN event_id_text text,
  ADD COLUMN order_id_text text;

-- The data of a stored event, by the place of its record, so that rows are added at the end of the
-- index. An event without a type has no row here. The table is partitioned by the day of storage
-- (UTC), so that old data can be dropped by age; stored_at is the processed_at of the event.
CREATE TABLE event_data (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  event_type text NOT NULL,
  event_version integer NOT NULL,
  -- NULL in an event of a type that has no data.
  data jsonb,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, log_offset, stored_at)
) PARTITION BY RANGE (stored_at);
-- For days whose partition does not exist yet.
CREATE TABLE event_data_other PARTITION OF event_data DEFAULT;

-- Creates the partitions of today and of the next days (UTC), as far as they do not exist and the
-- default partition has no row of that day. It runs with the rights of its owner, so that a consumer
-- can call it without the right to create tables. Returns how many it created.
CREATE FUNCTION create_event_data_days(days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
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
    EXECUTE format('CREATE TABLE %I PARTITION OF event_data FOR VALUES FROM (%L) TO (%L)',
      name, day, day + interval '1 day');
    -- As handler-triggers.sql has it for the other tables.
    EXECUTE format('CREATE TRIGGER refuse_handlers BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I
      FOR EACH STATEMENT WHEN (current_setting(''orderonce_guard.handler'', true) <> '''')
      EXECUTE FUNCTION refuse_change_by_handler()', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_handlers', name);
    created := created + 1;
  END LOOP;
  RETURN created;
END $$;
REVOKE ALL ON FUNCTION create_event_data_days FROM PUBLIC;

-- Consumers look for events that their deployment did not know, to redrive those it knows now.
CREATE INDEX dead_letters_unknown ON dead_letters (log_id, log_partition, log_offset)
  WHERE state = 'parked' AND reason IN ('unknown_type', 'unknown_version');

-- Every version of every type that this deployment has declared, as "migrate" recorded it.
CREATE TABLE event_types (
  event_type text NOT NULL,
  event_version integer NOT NULL,
  -- 'positive', 'signed' or 'none'.
  amount text NOT NULL,
  -- The JSON Schema of the data; NULL if events of the type have none.
  schema jsonb,
  declared_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_type, event_version)
);
