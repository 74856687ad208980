-- The audit stays append-only where session_replication_role is "replica" too, by which a role,
-- a database or a session switches other triggers off.
ALTER TABLE dead_letter_audit
  ENABLE ALWAYS TRIGGER append_only,
  ENABLE ALWAYS TRIGGER no_truncate;
