#!/usr/bin/env bash
# The postgres image runs this once, when it creates the database. It creates two logins with fewer
# rights than the owner. "orderonce migrate" grants the rights to their group roles.
set -euo pipefail
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  -v consumer="$POSTGRES_CONSUMER_PASSWORD" -v reader="$POSTGRES_READER_PASSWORD" <<'SQL'
CREATE ROLE orderonce_consumer NOLOGIN;
CREATE ROLE orderonce_reader NOLOGIN;
CREATE ROLE orderonce_app LOGIN PASSWORD :'consumer' IN ROLE orderonce_consumer;
CREATE ROLE orderonce_view LOGIN PASSWORD :'reader' IN ROLE orderonce_reader;
SQL
