#!/usr/bin/env bash
# Starts PostgreSQL with the settings of the official image that Compose files use: POSTGRES_USER, POSTGRES_PASSWORD,
# POSTGRES_DB (each also as NAME_FILE), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD and /docker-entrypoint-initdb.d.
set -euo pipefail

# setting reads a variable, or the file that its _FILE twin names, or a default.
setting() {
  local name="$1" file="$1_FILE" default="${2:-}"
  if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
    echo "set either $name or $file, not both" >&2
    exit 1
  fi
  local value="${!name:-$default}"
  [ -n "${!file:-}" ] && value="$(<"${!file}")"
  export "$name=$value"
  unset "$file"
}

init_database() {
  local auth="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$auth" != trust ]; then
    echo "POSTGRES_PASSWORD is not set: set it, or POSTGRES_PASSWORD_FILE, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # the arguments are meant to be split
  initdb --encoding=UTF8 --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"

  # Until the scripts are done the server listens on its socket only, so that nothing outside takes it for ready.
  local options="-c listen_addresses=''"
  [ $# -eq 0 ] || options+="$(printf ' %q' "$@")"
  pg_ctl -D "$PGDATA" -w start -o "$options"
  sql=(psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password)
  if [ "$POSTGRES_DB" != postgres ]; then
    "${sql[@]}" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  sql+=(--dbname "$POSTGRES_DB")
  local f
  # shellcheck disable=SC1090 # whatever the user put there
  for f in /docker-entrypoint-initdb.d/*; do
    case "$f" in
      *.sh) if [ -x "$f" ]; then "$f"; else . "$f"; fi ;;
      *.sql) "${sql[@]}" -f "$f" ;;
      *.sql.gz) gunzip -c "$f" | "${sql[@]}" ;;
      *.sql.zst) zstd -dc "$f" | "${sql[@]}" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
}

[ "${1:-}" = "${1#-}" ] || set -- postgres "$@"

# Questions to the program need no database.
for arg in "$@"; do
  case "$arg" in --version | -V | --help | -\? | --describe-config) exec "$@" ;; esac
done

if [ "${1:-}" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/lib/postgresql "$0" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    init_database "${@:2}"
  fi
fi
exec "$@"
