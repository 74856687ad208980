#!/usr/bin/env bash
# Tries the Compose files: builds the image, starts everything with handlers that are mounted, sends
# events while it kills containers, changes the handlers, restores a backup, and runs "orderonce
# verify". At the end it removes all containers and volumes.
#
#   deploy/compose/try.sh                with KRaft
#   deploy/compose/try.sh zookeeper      Kafka 3.9 with ZooKeeper
#
# Needs Docker with Compose, or Podman with DOCKER_HOST set to its service. Podman needs systemd for
# health checks and restarts; without systemd, this script does both.
set -euo pipefail
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=orderonce-try PUBLISH_ADDRESS=127.0.0.1 PRODUCER_PORT=18600 CONSUMER_PORT=18601
export COMPOSE_FILE=docker-compose.yml
if [ "${1:-}" = zookeeper ]; then COMPOSE_FILE+=:docker-compose.zookeeper.yml; fi
env_file=$(mktemp); cp .env.example "$env_file"
sent=$(mktemp)
backup=$(mktemp)
files=$(mktemp -d); chmod 755 "$files"  # The containers see it as /etc/orderonce.
export FILES_DIR=$files
export HANDLERS_MODULE=/etc/orderonce/handlers.ts HANDLERS_MIGRATIONS=/etc/orderonce/migrations
compose() { ${COMPOSE:-docker-compose} --env-file "$env_file" "$@"; }

. deploy/compose/tend.sh
tend & tending=$!
finish() {
  code=$?
  if [ $code -ne 0 ]; then compose ps -a || true; compose logs --tail 15 || true; fi
  kill $tending ${loop:-} 2>/dev/null || true
  compose down -v --timeout 10 >/dev/null 2>&1 || true
  rm -rf "$env_file" "$sent" "$backup" "$stopped" "$files" "${sending:-}"
  exit $code
}
trap finish EXIT

container() { compose ps -q "$1"; }
DOCKER=$(command -v docker || command -v podman)
kill_hard() { echo "kill -9 $1"; "$DOCKER" kill -s KILL "$(container "$1")" >/dev/null; }

# The handlers of a new project, and the rights that the consumer's role needs for their table.
mkdir "$files/migrations"
cp src/commands/init/handlers.ts.txt "$files/handlers.ts"
{ cat src/commands/init/migrations/0001-spending.sql.txt
  echo 'GRANT SELECT, INSERT, UPDATE ON spending TO orderonce_consumer;'
} >"$files/migrations/0001-spending.sql"

[ -n "${SKIP_BUILD:-}" ] || compose build
time compose up -d
until_healthy 'after the start'
echo "The services are healthy. Sending events"
event() { printf '{"event_id":"%s","order_id":"%s","user_id":"try","total_amount":1.25,"timestamp":"2026-01-02T03:04:05Z"}' "$1" "$2"; }
order=$(cat /proc/sys/kernel/random/uuid)
send() {  # Repeats until the answer is 202, as a client should: after any other the outcome is unknown.
  until [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "localhost:$PRODUCER_PORT/events" \
    -H 'Content-Type: application/json' -d "$(event "$1" "$order")")" = 202 ]; do sleep 0.5; done
  echo "$1" >>"$sent"
}
many() { for _ in $(seq "$1"); do send "$(cat /proc/sys/kernel/random/uuid)"; done; }
many 40
for service in consumer producer kafka postgres; do
  kill_hard $service & killing=$!
  many 20
  wait $killing
  until_healthy "after $service was killed"
done
send "$(head -1 "$sent")"
in_postgres() { compose exec -T postgres sh -c "$1"; }
query() { in_postgres "psql -U \"\$POSTGRES_USER\" -d \"\$POSTGRES_DB\" -tAc '$1'"; }
# Checks that each event was counted once, by the handler too, and that the log and the tables agree.
judge() {
  count=$(sort -u "$sent" | wc -l)
  for _ in $(seq 60); do
    counted=$(curl -s "localhost:$CONSUMER_PORT/orders/$order" | sed -n 's/.*"event_count":\([0-9]*\).*/\1/p')
    [ "$counted" = "$count" ] && break; sleep 1
  done
  echo "$count events were sent, some more than once; the order has counted ${counted:-none}"
  [ "$counted" = "$count" ]
  spent=$(query 'SELECT orders, amount = 1.25 * orders FROM spending')
  echo "The mounted handler has counted $spent"
  [ "$spent" = "$count|t" ]
  compose exec -T consumer orderonce verify --against-log
}
judge

echo "A second handler and its table, while events arrive"
mv "$files/handlers.ts" "$files/spending.ts"
cat >"$files/handlers.ts" <<'TS'
import { forEachEvent, type Handler } from 'orderonce/handlers';
import { handlers as earlier } from './spending.ts';

const visits: Handler = {
  ...forEachEvent('visits', async ({ eventId }, tx) => {
    await tx.query('INSERT INTO visits VALUES ($1)', [eventId]);
  }),
  check: async (db) => {
    const { rows } = await db.query('TABLE visits EXCEPT SELECT event_id FROM processed_events');
    return rows.map(({ event_id }) => `the visit of ${event_id} has no event`);
  },
};
export const handlers = [...earlier, visits];
TS
cat >"$files/migrations/0002-visits.sql" <<'SQL'
CREATE TABLE visits (event_id uuid PRIMARY KEY);
GRANT SELECT, INSERT ON visits TO orderonce_consumer;
SQL
sending=$(mktemp)
while [ -e "$sending" ]; do many 1; done & loop=$!
compose run --rm migrate
compose restart consumer
until_healthy 'after the handlers changed'
rm "$sending"; wait $loop
many 20
judge
visits=$(query 'SELECT count(*) FROM visits')
echo "The second handler has seen $visits events"
[ "$visits" -ge 20 ]

echo "Backup, 20 more events, loss of the database, restore: the consumer reads the 20 from the log"
in_postgres 'pg_dump -U "$POSTGRES_USER" -Fc "$POSTGRES_DB"' >"$backup"
many 20
container consumer >"$stopped"
compose stop consumer
in_postgres 'dropdb -U "$POSTGRES_USER" --force "$POSTGRES_DB" && createdb -U "$POSTGRES_USER" "$POSTGRES_DB"'
in_postgres 'pg_restore -U "$POSTGRES_USER" -d "$POSTGRES_DB"' <"$backup"
compose start consumer
: >"$stopped"
until_healthy 'after the restore'
judge

echo "The consumer cannot write to its file system, and runs as user $(compose exec -T consumer sh -c 'touch /app/x 2>/dev/null && exit 1; id -u')"
compose ps
echo "All checks passed"
