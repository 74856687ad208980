-- The inbox, the projection, the positions and the account of every record.
-- What may never change: names and meanings of these columns; readers outside rely on them.

-- A re-created topic begins at offset 0 again: an offset means something only within one log.
CREATE TABLE logs (
  log_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic text NOT NULL,
  topic_id text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (topic, topic_id)
);

CREATE TABLE processed_events (
  event_id uuid PRIMARY KEY,
  order_id uuid NOT NULL,
  user_id text NOT NULL,
  total_amount numeric(18, 4) NOT NULL CHECK (total_amount > 0),
  occurred_at timestamptz NOT NULL,
  digest bytea NOT NULL,
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  processed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX processed_events_order_id ON processed_events (order_id);

-- Sums, so that a doubled effect is visible. amount_sum has no bound: two maximal amounts fit.
CREATE TABLE orders (
  order_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  total_amount numeric(18, 4) NOT NULL,
  event_count bigint NOT NULL,
  amount_sum numeric NOT NULL,
  last_event_id uuid NOT NULL,
  first_occurred_at timestamptz NOT NULL,
  last_occurred_at timestamptz NOT NULL,
  last_log_id integer NOT NULL,
  last_log_partition integer NOT NULL,
  last_log_offset bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- G7: the position of a partition, moved by compare-and-set with the effects before it.
CREATE TABLE consumer_positions (
  topic text NOT NULL,
  log_partition integer NOT NULL,
  log_id integer NOT NULL REFERENCES logs,
  next_offset bigint NOT NULL,
  start_offset bigint NOT NULL,
  leader_epoch integer NOT NULL DEFAULT -1,
  owner text,
  -- The last record before next_offset and its SHA-256: tells a log that was cut and grew again.
  last_offset bigint,
  last_digest bytea,
  -- A partition added later waits until the older ones pass their ends of that moment.
  waits_for jsonb,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, log_partition)
) WITH (fillfactor = 50);

CREATE TABLE duplicates (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  event_id uuid NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, log_offset)
);
CREATE INDEX duplicates_event_id ON duplicates (event_id);

-- The same id with another payload: both are kept, the second is never applied.
CREATE TABLE conflicts (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  event_id uuid NOT NULL,
  payload jsonb NOT NULL,
  digest bytea NOT NULL,
  first_payload jsonb NOT NULL,
  first_digest bytea NOT NULL,
  first_log_id integer NOT NULL,
  first_log_partition integer NOT NULL,
  first_log_offset bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, log_offset)
);
CREATE INDEX conflicts_event_id ON conflicts (event_id);

CREATE TABLE dead_letters (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  -- A record that did not decode claims no id and holds no order: its event_id is a search hint.
  event_id uuid,
  order_id uuid,
  -- Set when the record decoded: then it claims its event_id (G4).
  digest bytea,
  -- Exactly as they lay in the log; NULL stays NULL. Headers: [[key, value], ...] in base64.
  key bytea,
  value bytea,
  headers jsonb NOT NULL DEFAULT '[]',
  appended_at timestamptz,
  state text NOT NULL CHECK (state IN ('parked', 'waiting', 'discarded')),
  reason text NOT NULL,
  detail jsonb,
  sqlstate text,
  attempts integer NOT NULL DEFAULT 1,
  parked_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, log_offset)
);
CREATE INDEX dead_letters_event_id ON dead_letters (event_id);
CREATE INDEX dead_letters_claims ON dead_letters (event_id) WHERE digest IS NOT NULL;
CREATE INDEX dead_letters_order_id ON dead_letters (order_id) WHERE digest IS NOT NULL;

-- One row for each order with parked events: later ones wait behind them (G5).
CREATE TABLE held_orders (
  order_id uuid PRIMARY KEY,
  held_since timestamptz NOT NULL DEFAULT now()
);

-- Offsets that hold no record, half-open ranges (G3).
CREATE TABLE log_gaps (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  from_offset bigint NOT NULL,
  to_offset bigint NOT NULL CHECK (to_offset > from_offset),
  reason text NOT NULL CHECK (reason IN ('control', 'aborted', 'compacted', 'accepted')),
  note text,
  noted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, from_offset)
);

-- The embedded log: dense offsets, taken by UPDATE ... RETURNING of the partition's row. A
-- sequence would leave gaps and show rows out of order, and a reader would skip them.
CREATE TABLE event_log_partitions (
  log_id integer NOT NULL REFERENCES logs,
  log_partition integer NOT NULL,
  start_offset bigint NOT NULL DEFAULT 0,
  next_offset bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (log_id, log_partition)
) WITH (fillfactor = 50);

CREATE TABLE event_log (
  log_id integer NOT NULL,
  log_partition integer NOT NULL,
  log_offset bigint NOT NULL,
  key bytea,
  value bytea,
  headers jsonb,
  appended_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log_id, log_partition, log_offset)
);
