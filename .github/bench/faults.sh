#!/bin/sh
# faults.sh fast RUNS [SEED]: plays promotions that are killed, starved and lied to at every moment, on a model of a target
# with a real journal, and every hundredth of them on a real PostgreSQL server. Before that the model and the engine of this
# machine have to pass the same contract.
# faults.sh full RUNS [SEED]: promotes the sample system on Docker, with customers who order all the while, and kills the
# driver, the agent, PostgreSQL or a service, or cuts the way to the engine. Needs root on the engine's host; a run takes half
# a minute on two idle cores. PROMOTE_FAULT_ONLY=N plays run N of a seed alone, PROMOTE_FAULT_FIRST=N goes on from it, and
# PROMOTE_FAULT_ENGINE is a command that restarts the engine, which is then one of the faults.
# faults.sh races RUNS [SEED]: operators who call for one target at once: RUNS times on a model with the real locks and journals,
# and where there is a container engine every fifth time for the real container's name, and every fiftieth with real calls of run,
# rollback and recover.
# All end with runs=N violations=M.
set -eu
cd "$(dirname "$0")/../.."

usage() {
	echo "usage: $0 fast|full|races RUNS [SEED]" >&2
	exit 2
}

if [ $# -lt 2 ]; then usage; fi
tier=$1
runs=$2
seed=${3:-$(date +%s)}
case $runs$seed in *[!0-9]*) usage ;; esac
export PROMOTE_FAULT_RUNS="$runs" PROMOTE_FAULT_SEED="$seed"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
case $tier in
fast)
	parts=3
	echo "seed $seed"
	PROMOTE_CONTRACT=whole go test ./internal/agent/ ./internal/fault/ -count=1 -timeout 30m -run '^TestContract$' >"$log" 2>&1 || {
		cat "$log"
		echo "the model is not what the engine is"
		exit 1
	}
	PROMOTE_FAULT_POSTGRES_RUNS=$(((runs + 99) / 100)) \
		go test ./internal/fault/ -count=1 -v -timeout 24h -run '^(TestCampaign|TestEveryMoment|TestPostgresCampaign)$' >"$log" 2>&1 || code=$?
	grep -E '^(---|panic|FAIL)|seed [0-9]+ run|violations=|map\[|^ {10}[a-z]' "$log" || true
	;;
full)
	parts=1
	echo "seed $seed"
	PROMOTE_E2E=faults go test ./internal/e2e/ -count=1 -v -timeout 48h -run '^TestFaultCampaign$' 2>&1 | tee "$log" | grep -E --line-buffered '_test\.go:|^panic|^FAIL|^ok' || true
	grep -q 'full: runs=' "$log" || code=1
	;;
races)
	parts=3
	echo "seed $seed"
	PROMOTE_RACE_RUNS=$runs go test ./internal/fault/ -count=1 -v -timeout 24h -run '^TestRaces$' >"$log" 2>&1 || code=$?
	PROMOTE_RACE_NAMES=$(((runs + 4) / 5)) PROMOTE_RACE_CALLS=$(((runs + 49) / 50)) \
		go test ./internal/cli/ -count=1 -v -timeout 24h -run '^(TestRacesForTheName|TestOperatorsAtOnce)$' >>"$log" 2>&1 || code=$?
	grep -E '^(---|panic|FAIL)|seed [0-9]+ race|race [0-9]+:|violations=' "$log" || true
	;;
*) usage ;;
esac
awk -v code="$code" -v parts="$parts" '
	match($0, /runs=[0-9]+ violations=[0-9]+/) {
		split(substr($0, RSTART, RLENGTH), f, /[= ]/)
		n += f[2]; m += f[4]; played++
	}
	END {
		if (code != 0 && m == 0) { print "the campaign did not get to its end"; m = 1 }
		if (played < parts) { print played + 0 " of " parts " parts were played" }
		print "runs=" n + 0 " violations=" m + 0
		exit m > 0
	}' "$log"
