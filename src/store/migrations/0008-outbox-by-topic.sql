-- By topic: the backlog of one that cannot be published to must not be read through for the others.
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_unpublished ON outbox (topic, outbox_id) WHERE published_at IS NULL;
