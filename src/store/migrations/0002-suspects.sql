-- A range of records with which a process may have died: noted before they are run again, outside
-- the transaction that runs them, so that the note outlives the process.
CREATE TABLE suspects (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  from_offset bigint NOT NULL,
  to_offset bigint NOT NULL CHECK (to_offset > from_offset),
  attempts integer NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition)
);
