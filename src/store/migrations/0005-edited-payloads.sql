-- A dead letter redriven with an edited payload: both payloads stand in the audit.
ALTER TABLE dead_letter_audit
  ADD COLUMN original_value bytea,
  ADD COLUMN edited_payload jsonb,
  -- What the stored row then says; its own digest stays that of the record in the log.
  ADD COLUMN edited_digest bytea,
  DROP CONSTRAINT dead_letter_audit_action_check,
  ADD CONSTRAINT dead_letter_audit_action_check CHECK (action IN ('redrive', 'discard', 'edit'));
CREATE INDEX dead_letter_audit_edits ON dead_letter_audit (event_id)
  WHERE action = 'edit' AND outcome = 'stored';
