-- Grants the rights of three roles, as far as an administrator has created them: orderonce_consumer
-- for the consumer (and for the producer with the embedded log), orderonce_reader for people and
-- reports, and orderonce_handler for the statements of handlers. Every "migrate" runs this as the
-- owner of the tables, with the schema as search_path. Only the owner can then change or remove
-- stored events, rows of duplicates and conflicts, and the audit.
DO $$
DECLARE
  -- False with ORDERS_PROJECTION=off, even if another application has a table of this name.
  has_orders boolean := EXISTS (
    SELECT FROM pg_attribute
     WHERE attrelid = to_regclass(format('%I.orders', current_schema())) AND attname = 'last_log_offset');
  member text;
BEGIN
  FOREACH member IN ARRAY ARRAY['orderonce_consumer', 'orderonce_reader', 'orderonce_handler'] LOOP
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = member)
       AND NOT has_schema_privilege(member, current_schema(), 'USAGE') THEN
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), member);
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderonce_consumer') THEN
    GRANT SELECT ON schema_migrations, handler_migrations, event_types, dead_letter_claims TO orderonce_consumer;
    -- For a function, unlike for a table, it is an error if who grants has no right to.
    IF has_function_privilege('create_event_data_days(integer)', 'EXECUTE WITH GRANT OPTION') THEN
      GRANT EXECUTE ON FUNCTION create_event_data_days TO orderonce_consumer;
    END IF;
    GRANT SELECT, INSERT ON
      logs, processed_events, event_data, duplicates, conflicts, log_gaps, dead_letter_audit, closed_positions
      TO orderonce_consumer;
    -- A record that is read again after a rewind already has its row. ON CONFLICT DO UPDATE then
    -- sets one column to the value that it has, so that the row is counted.
    GRANT UPDATE (event_id) ON duplicates TO orderonce_consumer;
    GRANT UPDATE (digest) ON conflicts TO orderonce_consumer;
    GRANT UPDATE (to_offset) ON log_gaps TO orderonce_consumer;
    GRANT SELECT, INSERT, UPDATE ON event_log_partitions, deployment_handlers TO orderonce_consumer;
    IF has_orders THEN
      GRANT SELECT, INSERT, UPDATE ON orders TO orderonce_consumer;
    END IF;
    GRANT SELECT, INSERT, UPDATE, DELETE ON
      consumer_positions, dead_letters, held_orders, suspects, position_troubles, outbox,
      outbox_shards, outbox_relays, activity, processes
      TO orderonce_consumer;
    GRANT SELECT, INSERT, UPDATE ON redrive_jobs TO orderonce_consumer;
    GRANT SELECT, INSERT, DELETE ON event_log TO orderonce_consumer;
    -- Findings of the proof vanish by a mark, and are never removed.
    GRANT SELECT, UPDATE ON proof_worker TO orderonce_consumer;
    GRANT SELECT, INSERT, UPDATE ON proof_progress, proof_segments, proof_findings TO orderonce_consumer;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderonce_reader') THEN
    GRANT SELECT ON
      schema_migrations, handler_migrations, logs, processed_events, event_data, event_data_other, event_types, consumer_positions, duplicates, conflicts,
      dead_letters, dead_letter_claims, dead_letter_audit, held_orders, log_gaps, suspects, position_troubles,
      closed_positions, outbox, outbox_shards, outbox_relays, event_log_partitions, event_log,
      deployment_handlers, activity, processes, redrive_jobs,
      proof_worker, proof_progress, proof_segments, proof_findings
      TO orderonce_reader;
    IF has_orders THEN
      GRANT SELECT ON orders TO orderonce_reader;
    END IF;
    FOR member IN SELECT quote_ident(relname) FROM pg_class
                   WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'v'
                     AND obj_description(oid, 'pg_class') LIKE 'Stored events of the type %, by Orderonce' LOOP
      EXECUTE format('GRANT SELECT ON %s TO orderonce_reader', member);
    END LOOP;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderonce_handler') THEN
    GRANT SELECT ON processed_events, event_data TO orderonce_handler;
    IF has_orders THEN
      GRANT SELECT ON orders TO orderonce_handler;
    END IF;
  END IF;
END
$$;
