-- Topics that others write. A record that the team's decode function says is no event has its
-- outcome too: its offset is listed here as ignored.
ALTER TABLE log_gaps
  DROP CONSTRAINT log_gaps_reason_check,
  ADD CONSTRAINT log_gaps_reason_check
    CHECK (reason IN ('control', 'aborted', 'compacted', 'accepted', 'ignored'));

-- Whether the record under suspicion was decoded before the process died. Then its event is known,
-- and it is parked with its id; otherwise the decode function itself ends processes.
ALTER TABLE suspects ADD COLUMN is_decoded boolean NOT NULL DEFAULT false;
