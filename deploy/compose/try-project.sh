#!/usr/bin/env bash
# Tries in containers what "orderonce init" writes: builds Orderonce's image and the project's, starts
# the project's compose.yaml, sends events, adds a handler with a table, kills the consumer, and runs
# "orderonce verify". At the end it removes all containers and volumes. It needs what try.sh needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=orderonce-shop PRODUCER_PORT=18610 CONSUMER_PORT=18611
image=orderonce:$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
DOCKER=$(command -v docker || command -v podman)
[ -n "${SKIP_BUILD:-}" ] || "$DOCKER" build -t "$image" .
project=$(mktemp -d)/shop
mkdir "$project"
"$DOCKER" run --rm --user "$(id -u)" -v "$project:/shop" "$image" init /shop
. deploy/compose/tend.sh
cd "$project"

compose() { ${COMPOSE:-docker-compose} "$@"; }
tend & tending=$!
finish() {
  code=$?
  if [ $code -ne 0 ]; then compose ps -a || true; compose logs --tail 15 || true; fi
  kill $tending 2>/dev/null || true
  compose down -v --timeout 10 >/dev/null 2>&1 || true
  "$DOCKER" rmi shop >/dev/null 2>&1 || true
  rm -rf "$(dirname "$project")" "$stopped"
  exit $code
}
trap finish EXIT

post() {  # Sends an event of this order, and demands the answer 202.
  [ "$(curl -s -o /dev/null -w '%{http_code}' "localhost:$PRODUCER_PORT/events" \
    -H 'Content-Type: application/json' -d '{"event_id":"'"$1"'","order_id":"'"$1"'",
    "user_id":"ann","total_amount":12.5,"timestamp":"2026-01-02T03:04:05Z"}')" = 202 ]
  curl -fs "localhost:$CONSUMER_PORT/events/$1?wait=5" >/dev/null
}
expect() {  # The answer of PostgreSQL to a query.
  answer=$(compose exec -T postgres psql -U orderonce -d orders -tAc "$1")
  echo "$1: $answer"
  [ "$answer" = "$2" ]
}
id() { cat /proc/sys/kernel/random/uuid; }

time compose up --build -d
until_healthy 'after the start'
first=$(id)
post "$first"
post "$first"
expect 'SELECT user_id, orders, amount FROM spending' 'ann|1|12.5000'
compose exec -T consumer orderonce verify --against-log

echo "A second handler with a table"
cat >visits.ts <<'TS'
import { forEachEvent } from 'orderonce/handlers';

export const visits = forEachEvent('visits', async ({ eventId }, tx) => {
  await tx.query('INSERT INTO visits VALUES ($1)', [eventId]);
});
TS
echo 'CREATE TABLE visits (event_id uuid PRIMARY KEY);' >migrations/0002-visits.sql
sed -i -e "/^import type/a import { visits } from './visits.ts';" -e '/^export const handlers/a \  visits,' handlers.ts
sed -i 's/^COPY handlers.ts/& visits.ts/' Dockerfile
compose up --build -d
until_healthy 'after the handlers changed'
second=$(id)
post "$first"
post "$second"
echo "kill -9 consumer"
"$DOCKER" kill -s KILL "$(compose ps -q consumer)" >/dev/null
until_healthy 'after the consumer was killed'
post "$second"
expect 'SELECT user_id, orders, amount FROM spending' 'ann|2|25.0000'
expect 'SELECT event_id FROM visits' "$second"
compose exec -T consumer orderonce verify --against-log
compose ps
echo "All checks passed"
