#!/usr/bin/env bash
# Start a fresh platform, read every file of the format set below $1, measure retrieval on SciFact, and hold both to
# their floors. The floors and where they come from stand in docs/evaluation.md.
set -euo pipefail
cd "$(dirname "$0")/.."
sets=$1
export RAGSTONE_DATA_DIR RAGSTONE_PORT RAGSTONE_SAMPLE=0 RAGSTONE_URL RAGSTONE_API_KEY
RAGSTONE_DATA_DIR=$(mktemp -d)
RAGSTONE_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
RAGSTONE_URL=http://127.0.0.1:$RAGSTONE_PORT
report=$(mktemp)

.venv/bin/ragstone up >"$RAGSTONE_DATA_DIR/up.log" 2>&1 &
platform=$!
trap 'kill "$platform" 2>/dev/null; wait "$platform" 2>/dev/null; rm -rf "$RAGSTONE_DATA_DIR" "$report"' EXIT
for _ in $(seq 120); do
  curl -fs "$RAGSTONE_URL/v1/health" >/dev/null && break
  sleep 0.5
done
RAGSTONE_API_KEY=$(cat "$RAGSTONE_DATA_DIR/admin.key")

python3 "$sets/bench/quality.py" formats "$sets/data/formats" | tee "$report"
python3 "$sets/bench/quality.py" retrieval "$sets/data/retrieval/scifact" --rerank | tee -a "$report"
python3 - "$report" <<'PYTHON'
import json
import sys

floors = {"lexical": 0.66, "dense": 0.64, "hybrid": 0.725, "hybrid+rerank": 0.725}
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
reached = {row["run"]: row["ndcg@10"] for row in rows if row["what"] == "retrieval"}
low = {run: (reached.get(run), floor) for run, floor in floors.items() if reached.get(run, 0) < floor}
formats = next((row for row in rows if row["what"] == "formats"), {"right": 0, "files": "?"})
if formats["right"] != formats["files"]:
    low["formats"] = (formats["right"], formats["files"])
print("floors held" if not low else f"below its floor (reached, floor): {low}")
sys.exit(bool(low))
PYTHON
