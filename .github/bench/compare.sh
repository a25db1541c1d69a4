#!/bin/sh
# compare.sh [PAIRS [MEGABYTES [SEED]]]: random schemas beside pg_dump, ten thousand tables, and how fast a schema and rows
# are read, each beside its anchor in one run. Prints lines of: name ours anchor ratio goal ok|short. Needs PostgreSQL.
set -eu
cd "$(dirname "$0")/../.."
pairs=${1:-200}
megabytes=${2:-1024}
seed=${3:-$(date +%s)}
case $pairs$megabytes$seed in *[!0-9]*)
	echo "usage: $0 [PAIRS [MEGABYTES [SEED]]]" >&2
	exit 2
	;;
esac
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
PROMOTE_COMPARE_BENCH=$megabytes go test -count=1 -timeout 1h -run '^TestSpeed$' -v ./internal/compare >"$log" 2>&1 || code=1
grep -E ' (ok|short)$|--- FAIL|_test.go' "$log" || true
PROMOTE_CATALOG_TABLES=10000 go test -count=1 -timeout 1h -run '^TestCatalogOfManyTables$' -v ./internal/postgres >"$log" 2>&1 || code=1
grep -E '_test.go|--- FAIL' "$log" || true
PROMOTE_COMPARE_PAIRS=$pairs PROMOTE_COMPARE_SEED=$seed go test -count=1 -timeout 6h -run '^TestRandomSchemas$' -v ./internal/compare >"$log" 2>&1 || code=1
grep -E '_test.go|--- FAIL|^ {8}' "$log" || true
exit $code
