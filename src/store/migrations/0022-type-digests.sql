-- What was declared of a version of a type, as a digest, so that a change of the row by anybody but
-- "migrate" shows. PostgreSQL writes jsonb in one way only, whatever was sent. NULL in rows of an older
-- release; the next "migrate" fills it.
ALTER TABLE event_types ADD COLUMN digest bytea;
UPDATE event_types SET digest = sha256(convert_to(amount || ' ' || coalesce(schema::text, ''), 'UTF8'));
