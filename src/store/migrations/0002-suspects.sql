-- An event, or a range, under suspicion: it failed alone for an unknown reason, or the process
-- died with it. Kept outside the transaction that failed, so that it outlives the process.
CREATE TABLE suspects (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  from_offset bigint NOT NULL,
  to_offset bigint NOT NULL CHECK (to_offset > from_offset),
  kind text NOT NULL CHECK (kind IN ('failed', 'died')),
  attempts integer NOT NULL,
  reason text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition)
);
