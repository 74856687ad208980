-- Messages that handlers emit, in the transaction that stores the event.
CREATE TABLE outbox (
  -- Derived from event, handler and n: the same again after a restore.
  message_id uuid PRIMARY KEY,
  -- Taken after the handler's own locks: of transactions that wait for one another, in the order
  -- of their commits. Never read as "everything up to": a late commit has a smaller one.
  outbox_id bigint GENERATED ALWAYS AS IDENTITY,
  shard integer NOT NULL,
  topic text NOT NULL,
  key bytea NOT NULL,
  value bytea,
  headers jsonb NOT NULL,
  event_id uuid NOT NULL,
  handler text NOT NULL,
  n integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  published_partition integer,
  published_offset bigint
);
CREATE INDEX outbox_unpublished ON outbox (outbox_id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Who publishes which share of the keys: one relay each, while its lease lasts.
CREATE TABLE outbox_shards (
  shard integer PRIMARY KEY,
  owner text,
  lease_until timestamptz
);
INSERT INTO outbox_shards (shard) SELECT generate_series(0, 15);

-- Relays at work, so that they can share the shards evenly.
CREATE TABLE outbox_relays (
  owner text PRIMARY KEY,
  alive_until timestamptz NOT NULL
);
