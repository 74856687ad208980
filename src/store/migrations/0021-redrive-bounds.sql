-- The last dead letter, in log order, of a job that has only the first ones of those that match. After
-- a kill their number alone would not do: what the job has resolved no longer matches.
ALTER TABLE redrive_jobs
  ADD COLUMN until_log_id integer,
  ADD COLUMN until_partition integer,
  ADD COLUMN until_offset bigint;
