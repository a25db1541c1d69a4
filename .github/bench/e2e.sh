#!/usr/bin/env bash
# Promotes the sample system with the real program in every way that it can break, and kills what can be killed meanwhile.
# Needs Go and Docker; takes about a quarter of an hour on two idle cores. `go test ./...` runs a part of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
PROMOTE_E2E=whole exec go test -count=1 -timeout 90m "$@" ./internal/e2e
