-- A dead letter whose record decoded has taken its event id, and waits in its order's queue unless it
-- is discarded; one that did not decode has taken nothing. Every statement that asks who has taken an
-- id reads this view. The reader's own rights count, not the owner's.
CREATE VIEW dead_letter_claims WITH (security_invoker = true) AS
  SELECT * FROM dead_letters WHERE digest IS NOT NULL;
