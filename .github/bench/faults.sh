#!/bin/sh
# faults.sh fast RUNS [SEED]: plays promotions that are killed, starved and lied to at every moment, on a model of a target
# with a real journal, and every hundredth of them on a real PostgreSQL server. Ends with runs=N violations=M.
set -eu
cd "$(dirname "$0")/../.."

usage() {
	echo "usage: $0 fast RUNS [SEED]" >&2
	exit 2
}

if [ $# -lt 2 ] || [ "$1" != fast ]; then usage; fi
runs=$2
seed=${3:-$(date +%s)}
case $runs$seed in *[!0-9]*) usage ;; esac

echo "seed $seed"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
PROMOTE_FAULT_RUNS=$runs PROMOTE_FAULT_SEED=$seed PROMOTE_FAULT_POSTGRES_RUNS=$(((runs + 99) / 100)) \
	go test ./internal/fault/ -count=1 -v -timeout 24h -run '^(TestCampaign|TestEveryMoment|TestPostgresCampaign)$' >"$log" 2>&1 || code=$?
grep -E '^(---|panic|FAIL)|seed [0-9]+ run|violations=|map\[|^ {10}[a-z]' "$log" || true
awk -v code="$code" '
	match($0, /runs=[0-9]+ violations=[0-9]+/) {
		split(substr($0, RSTART, RLENGTH), f, /[= ]/)
		n += f[2]; m += f[4]; parts++
	}
	END {
		if (code != 0 && m == 0) { print "the campaign did not get to its end"; m = 1 }
		if (parts < 3) { print parts + 0 " of 3 parts were played" }
		print "runs=" n + 0 " violations=" m + 0
		exit m > 0
	}' "$log"
