-- What was done to dead letters, by whom, and how it ended. Append-only.
CREATE TABLE dead_letter_audit (
  audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,
  action text NOT NULL CHECK (action IN ('redrive', 'discard')),
  outcome text NOT NULL,
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  event_id uuid,
  detail jsonb
);
CREATE INDEX dead_letter_audit_place ON dead_letter_audit (log_id, log_partition, log_offset);

CREATE FUNCTION dead_letter_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'dead_letter_audit is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dead_letter_audit
  FOR EACH ROW EXECUTE FUNCTION dead_letter_audit_is_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON dead_letter_audit
  FOR EACH STATEMENT EXECUTE FUNCTION dead_letter_audit_is_append_only();
