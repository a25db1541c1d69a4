#!/usr/bin/env bash
# Runs the whole suite of internal/postgres on real servers of several major versions, and the rights of internal/agent.
#
#   .github/bench/postgres.sh [MAJOR…]    default: 15 17 18
#
# The servers come from images: those that the engine has, can pull, or that are made from Debian's packages, which takes
# minutes, once. Needs root and Docker, and xfsprogs for the copies on a file system with reflinks. Ends with a line per
# major version and exits with 1 when a test failed.
set -euo pipefail
cd "$(dirname "$0")/../.."

majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(15 17 18)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for package in postgres agent; do
  go test -c -o "$work/$package" "./internal/$package"
done

failed=0
summary=()
for major in "${majors[@]}"; do
  log="$work/$major.log"
  : >"$log"
  export PROMOTE_TEST_POSTGRES="$major"
  run() { # PACKAGE PATTERN
    (cd "internal/$1" && "$work/$1" -test.v -test.timeout 20m -test.run "$2" -test.skip '^TestVictim$|^TestOnOtherMajors$') 2>&1 | tee -a "$log" || true
  }
  run postgres .
  run agent '^TestRights'
  version="$(grep -o -m 1 'server version [0-9.]*' "$log" | cut -d ' ' -f 3 || true)"
  tests=$(grep -c '^--- ' "$log" || true)
  wrong=$(grep -c '^--- FAIL' "$log" || true)
  skipped=$(grep -c '^--- SKIP' "$log" || true)
  if [ "$(grep -c '^PASS' "$log")" -lt 2 ] && [ "$wrong" -eq 0 ]; then
    wrong=1 # a panic, a deadline, no server
  fi
  [ "$wrong" -eq 0 ] || failed=1
  summary+=("postgres ${version:-$major}: $tests tests, $wrong failed, $skipped skipped")
done
printf '\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
