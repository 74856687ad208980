-- The continuous proof: what it has proven, and what contradicts the account (docs/verify.md).

-- Finds the stored events of a range of offsets. A BRIN index costs an insert nothing that can be
-- measured, since it holds a few values for each megabyte of the table. The table is append-only,
-- so a partition's offsets lie close together, also those of several partitions side by side:
-- minmax-multi keeps up to 64 values, which are 32 ranges. It finds every row, whatever the clock
-- said and however late a transaction committed, which an index on processed_at would not.
--
-- In a table with rows in it, building an index would block writers. Then "migrate" builds it
-- afterwards, with CREATE INDEX CONCURRENTLY (src/store/place-index.ts).
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM processed_events) THEN
    CREATE INDEX processed_events_place ON processed_events
      USING brin (((log_partition::bigint << 44) + log_offset) int8_minmax_multi_ops (values_per_range = 64))
      WITH (autosummarize = on);
  END IF;
END $$;

-- One row: which process proves, and where its patrol is.
CREATE TABLE proof_worker (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  owner text,
  lease_until timestamptz,
  -- When everything up to the positions of that moment was proven.
  head_at timestamptz,
  -- The step of the patrol that comes next; see ProofCursor in src/store/proof-progress.ts.
  patrol jsonb,
  -- When the round that is under way began, and when the last one began that has ended.
  round_started_at timestamptz,
  proven_at timestamptz,
  -- Why the proof does not advance; null while it does.
  trouble text
);
INSERT INTO proof_worker DEFAULT VALUES;

-- Up to where each partition is proven: all offsets from its start to before head_to.
CREATE TABLE proof_progress (
  log_id integer NOT NULL REFERENCES logs,
  log_partition integer NOT NULL,
  head_to bigint NOT NULL,
  PRIMARY KEY (log_id, log_partition)
) WITH (fillfactor = 50);

-- What the head saw in each 20,000 offsets of a partition, so that the patrol notices what changed
-- since: how many events were stored directly, and the sum of the first 7 bytes of their digests.
-- Events that a redrive stored do not count, because they come later.
CREATE TABLE proof_segments (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  segment bigint NOT NULL,
  stored bigint NOT NULL,
  digests numeric NOT NULL,
  PRIMARY KEY (log_id, log_partition, segment)
);

-- What contradicts the account, until it vanishes or somebody acknowledges it. Rows stay as history.
CREATE TABLE proof_findings (
  finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  -- An id, or log/partition/from-to.
  subject text NOT NULL,
  message text NOT NULL,
  found_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  vanished_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  reason text,
  UNIQUE (kind, subject)
);
CREATE INDEX proof_findings_open ON proof_findings (seen_at) WHERE vanished_at IS NULL;
