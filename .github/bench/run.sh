#!/usr/bin/env bash
# run.sh [--sizes LIST] [--only database|stack] [SIZE]: measures each figure of .github/docs/performance.md against its anchor, on data
# and containers of its own, and removes all of it. One line for each figure: name, ours, anchor, ratio, goal, ok or short.
# Needs Go, Docker and curl; the default of 1GB needs 15 GB of disk. Figures count only on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d "${TMPDIR:-/tmp}/promote-bench-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/promote" ./cmd/promote
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/bench" ./internal/bench
"$work/bench" --promote "$work/promote" --baseline "$PWD/.github/bench/baseline.sh" "$@" &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null || true' INT TERM HUP # it removes what it made before it ends
code=0
wait "$pid" || code=$?
while kill -0 "$pid" 2>/dev/null; do wait "$pid" || code=$?; done # an interrupt ends a wait early
exit "$code"
