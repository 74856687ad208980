-- The dead letters that have taken their event id: those whose record decoded. Unless such a dead
-- letter is discarded, it is also in its order's queue. Every statement that looks for who has
-- taken an id reads this view. It checks the rights of the role that reads it, not those of its
-- owner.
CREATE VIEW dead_letter_claims WITH (security_invoker = true) AS
  SELECT * FROM dead_letters WHERE digest IS NOT NULL;
