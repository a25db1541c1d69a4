#!/usr/bin/env bash
# The promotion of the sample system as a careful team writes it in bash: the anchor of run.sh, not part of the product. It takes
# the steps that promote takes, with Compose, pg_dump, gzip and curl, and stops at the first thing that is wrong. What it cannot
# do is left out: no rollback, no proof, no lock, no journal.
#
# FROM, TO: Compose projects. STACK: folder of the Compose files. RELEASE: tag to promote. BACKUPS: folder for the backup.
# COMPOSE: "docker compose" or something that takes its place.
set -euo pipefail
: "${FROM:?}" "${TO:?}" "${STACK:?}" "${RELEASE:?}" "${BACKUPS:?}"
read -ra compose <<<"${COMPOSE:-docker compose}"

say() { echo "$(date +%T) $*"; }
die() { echo "$*" >&2; exit 1; }
container() { docker ps --quiet --latest --filter "label=com.docker.compose.project=$1" --filter "label=com.docker.compose.service=$2"; }
port() { docker port "$(container "$1" "$2")" 8080 | head -n 1; }

# answers waits until a URL answers.
answers() {
  local i
  for i in $(seq 30); do
    curl --fail --silent --output /dev/null --max-time 5 "$1" && return
    [ "$i" = 30 ] || sleep 1
  done
  die "$1 does not answer"
}

# healthy asks every service of an environment ten times, as a small load.
healthy() {
  local service path i
  for service in web:/ api:/healthz orders:/healthz api:/version; do
    path=${service#*:} service=${service%%:*}
    answers "http://$(port "$1" "$service")$path"
    for i in $(seq 10); do
      curl --fail --silent --output /dev/null --max-time 5 "http://$(port "$1" "$service")$path" || die "$service$path failed at request $i"
    done
  done
}

services=(web api orders worker)
sql() { docker exec "$(container "$TO" db)" psql -U shop -d shop -AtX -c "$1"; }
counts() { sql "SELECT relname, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', schemaname, relname), true, true, '')))[1] FROM pg_stat_user_tables ORDER BY 1"; }

say "preflight"
for service in "${services[@]}"; do
  [ -n "$(container "$FROM" "$service")" ] || die "$service does not run in $FROM"
  [ -n "$(container "$TO" "$service")" ] || die "$service does not run in $TO"
  docker image inspect "shop-$service:$RELEASE" >/dev/null || die "no image shop-$service:$RELEASE"
done
mkdir -p "$BACKUPS"
free=$(df --output=avail -B1 "$BACKUPS" | tail -n 1)
[ "$free" -gt "$(sql 'SELECT pg_database_size(current_database())')" ] || die "not enough room for the backup"

say "test: $FROM answers"
healthy "$FROM"

# One dump, when nobody writes any more: the backup and the way back in one. Two would take twice as long.
say "shutdown"
down=$(date +%s.%N)
for service in "${services[@]}"; do containers+=("$(container "$TO" "$service")"); done
docker stop "${containers[@]}" >/dev/null

say "backup"
cp "$STACK/staging.env" "$BACKUPS/"
docker inspect --format '{{.Name}} {{.Image}}' "${containers[@]}" >"$BACKUPS/images"
counts >"$BACKUPS/counts"
docker exec "$(container "$TO" db)" bash -c 'set -o pipefail; pg_dump -U shop shop | gzip' >"$BACKUPS/shop.sql.gz" # gzip inside: less goes through the engine
gzip --test "$BACKUPS/shop.sql.gz"
(cd "$BACKUPS" && sha256sum staging.env images counts shop.sql.gz >SHA256SUMS)
docker run --rm --volume "${TO}_uploads:/from:ro" --volume "$BACKUPS:/to" --entrypoint tar "$(docker inspect --format '{{.Image}}' "$(container "$TO" db)")" -C /from -cf /to/uploads.tar .

say "deploy"
sed -i "s/^SHOP_TAG=.*/SHOP_TAG=$RELEASE/" "$STACK/staging.env"
"${compose[@]}" --project-name "$TO" --project-directory "$STACK" --env-file staging.env -f compose.yml -f compose.staging.yml up --detach --wait
up=$(date +%s.%N)

say "verify"
for service in "${services[@]}"; do
  [ "$(docker inspect --format '{{.Image}}' "$(container "$TO" "$service")")" = "$(docker image inspect --format '{{.Id}}' "shop-$service:$RELEASE")" ] || die "$service runs another image"
done
healthy "$TO"
sleep 5 # does anything restart?
for service in "${services[@]}"; do
  [ "$(docker inspect --format '{{.RestartCount}}' "$(container "$TO" "$service")")" = 0 ] || die "$service restarts"
done
say "done"
echo "downtime $(echo "$up - $down" | bc 2>/dev/null || awk "BEGIN { print $up - $down }") s"
