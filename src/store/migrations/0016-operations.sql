-- What operators look at and start: activity over time, running processes, jobs that redrive many
-- dead letters, and the means to list the newest without reading all.

-- How many records had which outcome, by minute and process. It is no proof: a process that is
-- killed loses what it has not added yet.
CREATE TABLE activity (
  minute timestamptz NOT NULL,
  owner text NOT NULL,
  outcome text NOT NULL,
  -- Of duplicates and conflicts why they were there, of dead letters the reason; else empty.
  source text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (minute, owner, outcome, source)
) WITH (fillfactor = 50);

-- One row for each consumer that runs, written by itself every few seconds.
CREATE TABLE processes (
  owner text PRIMARY KEY,
  service text NOT NULL,
  version text NOT NULL,
  -- Names of the handlers, and the digest of their module and settings; null where there are none.
  handlers jsonb NOT NULL,
  handlers_digest text,
  -- As GET /health of the process shows them.
  partitions jsonb NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Jobs that redrive or discard many dead letters. A consumer carries one out while its lease lasts.
CREATE TABLE redrive_jobs (
  redrive_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  action text NOT NULL CHECK (action IN ('redrive', 'discard')),
  state text NOT NULL DEFAULT 'waiting'
    CHECK (state IN ('waiting', 'running', 'stopping', 'done', 'stopped')),
  -- Which dead letters: a filter, or their places. The other one is null.
  filter jsonb,
  places jsonb,
  total bigint NOT NULL,
  tried bigint NOT NULL DEFAULT 0,
  outcomes jsonb NOT NULL DEFAULT '{}',
  -- The place of the last one that was tried; they are tried in log order.
  after_log_id integer,
  after_partition integer,
  after_offset bigint,
  per_second integer,
  asked_by text NOT NULL,
  reason text,
  owner text,
  lease_until timestamptz,
  trouble text,
  stopped_by text,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
) WITH (fillfactor = 50);
CREATE INDEX redrive_jobs_open ON redrive_jobs (redrive_id) WHERE finished_at IS NULL;

-- Which job did it. Rows of a job are written in the transactions that redrive, so their number is
-- exact even if the process is killed.
ALTER TABLE dead_letter_audit ADD COLUMN redrive_id bigint;
CREATE INDEX dead_letter_audit_jobs ON dead_letter_audit (redrive_id) WHERE redrive_id IS NOT NULL;

-- What the messages of one cause have in common: ids, numbers and quoted values become "#". For a
-- record that is no valid event it is where the errors are, and of which type. It holds no control
-- characters, so that it can be typed and sent as a filter.
ALTER TABLE dead_letters ADD COLUMN shape text NOT NULL GENERATED ALWAYS AS (
  CASE jsonb_typeof(detail)
    WHEN 'array' THEN
      left(translate(jsonb_path_query_array(detail, '$[0 to 4].loc[last]')::text, '[]"', '') || ': ' ||
           translate(jsonb_path_query_array(detail, '$[0 to 4].type')::text, '[]"', ''), 200)
    ELSE
      left(regexp_replace(regexp_replace(regexp_replace(
             left(coalesce(detail ->> 'message', ''), 1000),
             E'[\\u0001-\\u001f\\u007f-\\u009f]+', ' ', 'g'),
             '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '#', 'g'),
             E'\\([^()]*\\)=\\([^()]*\\)|[0-9]+([.:][0-9]+)*', '#', 'g'), 200)
  END) STORED;
CREATE INDEX dead_letters_newest ON dead_letters (parked_at, log_id, log_partition, log_offset);
CREATE INDEX dead_letters_by_reason ON dead_letters (state, reason, parked_at)
  INCLUDE (sqlstate, shape);
-- By time, for the records of one request. A BRIN index has a few kilobytes, and hardly costs writers
-- anything, since rows are appended in the order of their times. In a table with many rows, the build
-- would block writers: there it is left to an administrator, and search does without it until then
-- (src/store/find.ts).
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM processed_events) THEN
    CREATE INDEX processed_events_processed_at ON processed_events
      USING brin (processed_at) WITH (autosummarize = on);
  END IF;
  IF NOT EXISTS (SELECT FROM duplicates) THEN
    CREATE INDEX duplicates_seen_at ON duplicates USING brin (seen_at) WITH (autosummarize = on);
  END IF;
END $$;
CREATE INDEX conflicts_seen_at ON conflicts USING brin (seen_at) WITH (autosummarize = on);
-- Rows of redrives are not in the order of their offsets.
CREATE INDEX duplicates_redriven ON duplicates (seen_at) WHERE source = 'redrive';
CREATE INDEX conflicts_redriven ON conflicts (seen_at) WHERE source = 'redrive';

-- The view shows the new column too.
CREATE OR REPLACE VIEW dead_letter_claims WITH (security_invoker = true) AS
  SELECT * FROM dead_letters WHERE digest IS NOT NULL;
