-- Why a partition stopped, until an operator resolves it: written by the consumer that stopped.
CREATE TABLE position_troubles (
  topic text NOT NULL,
  log_partition integer NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  -- The offsets in question, half-open: what retention removed, or what the log has no more.
  from_offset bigint NOT NULL,
  to_offset bigint NOT NULL,
  since timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, log_partition)
);

-- Positions in logs that are no more: what was processed there stays proven. A log that was cut
-- goes on under another log_id (the topic id with "#1", "#2", ... behind it), since the same
-- offsets hold other records from there on.
CREATE TABLE closed_positions (
  log_id integer NOT NULL REFERENCES logs,
  log_partition integer NOT NULL,
  topic text NOT NULL,
  start_offset bigint NOT NULL,
  next_offset bigint NOT NULL,
  actor text NOT NULL,
  reason text NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition)
);
