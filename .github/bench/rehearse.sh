#!/usr/bin/env bash
# rehearse.sh: runs every migration of the corpus on a real PostgreSQL server and asks for its rollback class. A case is right
# where the class is app-only exactly when the old release's statements work after the migration, and after what the new
# release writes. Ends with cases=N right=R wrongly-app-only=W; fails unless 95 % are right and W is 0.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
PROMOTE_REHEARSE=whole go test ./internal/rehearsal/ -count=1 -v -timeout 30m -run '^TestCorpus$' >"$log" 2>&1 || code=$?
grep -E '^ *--- FAIL|wrongly app-only:|although app-only|the case says|^panic|cannot|undefined' "$log"
figures=$(grep -oE 'cases=[0-9]+ right=[0-9]+ wrongly-app-only=[0-9]+' "$log" | tail -n 1)
echo "${figures:-the corpus did not get to its end}"
exit "$code"
