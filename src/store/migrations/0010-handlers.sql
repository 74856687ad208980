-- A handler runs in the transaction that stores the events, and with the same rights unless roles
-- are set up. Triggers refuse whatever it does to the tables that carry the guarantees, by this
-- function (handler-triggers.sql): the setting orderonce_guard.handler holds its name while its statements
-- run, and only then.
CREATE FUNCTION refuse_change_by_handler() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'A handler must not change the table "%" (%)', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'Write to tables of your own; emit messages with tx.emit().';
END $$;

-- Why a partition does not run, whatever the reason: one row while it retries, waits or is stopped.
ALTER TABLE position_troubles
  ADD COLUMN state text NOT NULL DEFAULT 'stopped'
    CHECK (state IN ('retrying', 'waiting', 'stopped')),
  ADD COLUMN attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN owner text;

-- Which handlers the deployment runs: the newest row counts. A redrive elsewhere must run the same.
CREATE TABLE deployment_handlers (
  recorded_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- [{"name": "charge", "hasCheck": true}, ...] in the order in which they run.
  handlers jsonb NOT NULL,
  -- SHA-256 over the module, what it imports by relative paths, and the settings that change what
  -- a redrive does.
  digest text NOT NULL,
  -- As HANDLERS_MODULE names it; null where there is none.
  module text,
  owner text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  -- When a consumer last started with them.
  started_at timestamptz NOT NULL DEFAULT now()
);
