#!/usr/bin/env bash
# Run once by the postgres image, when it makes its data: two logins with less than the owner's
# rights. What their groups may do is granted by "orderonce migrate".
set -euo pipefail
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  -v consumer="$POSTGRES_CONSUMER_PASSWORD" -v reader="$POSTGRES_READER_PASSWORD" <<'SQL'
CREATE ROLE orderonce_consumer NOLOGIN;
CREATE ROLE orderonce_reader NOLOGIN;
CREATE ROLE orderonce_app LOGIN PASSWORD :'consumer' IN ROLE orderonce_consumer;
CREATE ROLE orderonce_view LOGIN PASSWORD :'reader' IN ROLE orderonce_reader;
SQL
