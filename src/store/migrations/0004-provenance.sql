-- Where a record came from: the id of the request that brought it, set by our ingest API. NULL for
-- records that another client wrote to the topic, and for rows of earlier releases.
ALTER TABLE processed_events ADD COLUMN request_id uuid;
ALTER TABLE dead_letters ADD COLUMN request_id uuid;

-- Why a repeat was there, and how long after the first record of its id.
ALTER TABLE duplicates
  ADD COLUMN request_id uuid,
  ADD COLUMN source text,
  ADD COLUMN after_ms bigint,
  ADD COLUMN first_log_id integer,
  ADD COLUMN first_log_partition integer,
  ADD COLUMN first_log_offset bigint;
ALTER TABLE conflicts
  ADD COLUMN request_id uuid,
  ADD COLUMN source text,
  ADD COLUMN after_ms bigint;
