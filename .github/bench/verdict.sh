#!/usr/bin/env bash
# verdict.sh: compares every seeded difference of the corpus, and pairs of environments without one, on a real PostgreSQL
# server, and writes the error rates by area into .github/docs/score.md.
#
#   .github/bench/verdict.sh [--check] [SEED]
#
# With --check nothing is written: it fails where the page does not say what was measured. Ends with
# cases=N missed=M alarms=A of=B; fails unless 95 % of the differences and all that delete data are found, and at most 1 % of
# the comparisons without a difference alarm.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
check=
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
page=.github/docs/score.md
begin='<!-- verdict.sh begin -->' end='<!-- verdict.sh end -->'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
code=0
[ -z "${1:-}" ] || export PROMOTE_CORPUS_SEED="$1"
PROMOTE_CORPUS=whole PROMOTE_CORPUS_TABLE="$work/table" go test ./internal/compare/corpus/ -count=1 -v -timeout 30m -run '^TestCorpus$' >"$work/log" 2>&1 || code=$?
grep -E '^ *--- FAIL|PROMOTE_CORPUS_SEED=|MISSED|ALARM|raises what|were missed|alarmed|are wanted|^panic|cannot|undefined' "$work/log"
if [ -s "$work/table" ]; then
  awk -v begin="$begin" -v end="$end" -v table="$work/table" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin { inside = 1; print ""; while ((getline line < table) > 0) print line; print "" }' "$page" >"$work/page"
  if [ -z "$check" ]; then
    cmp -s "$work/page" "$page" || cp "$work/page" "$page"
  elif ! diff -u "$page" "$work/page"; then
    echo "$page does not say what was measured: .github/bench/verdict.sh writes it"
    code=1
  fi
fi
figures=$(grep -oE 'cases=[0-9]+ missed=[0-9]+ alarms=[0-9]+ of=[0-9]+' "$work/log" | tail -n 1)
echo "${figures:-the corpus did not get to its end}"
exit "$code"
