-- Which files of HANDLERS_MIGRATIONS were applied: the tables of the team's own handlers. `checksum` is
-- the SHA-256 of the file, so that a file that was changed afterwards is noticed.
CREATE TABLE handler_migrations (
  name text PRIMARY KEY,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
