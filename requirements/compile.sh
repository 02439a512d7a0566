#!/usr/bin/env bash
# Make the lock files anew: hashes without addresses, and no release younger than a week.
# boto3 and botocore are let through: 1.44.5 is the first whose S3 Vectors model knows hybrid queries.
set -euo pipefail
cd "$(dirname "$0")/.."
newest=$(date -u -d '7 days ago' +%F)
common=(--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --universal --python-version 3.11
  --exclude-newer "$newest" --exclude-newer-package "boto3=$(date -u +%F)" --exclude-newer-package "botocore=$(date -u +%F)" --quiet)
uv pip compile pyproject.toml "${common[@]}" --extra services --extra pgvector --extra ocr --extra multilingual --extra dev -o requirements/dev.txt
uv pip compile pyproject.toml "${common[@]}" --extra services --extra pgvector -c requirements/dev.txt -o requirements/run.txt
# Tools that check the templates, each in an environment of its own.
for tool in templates policies hardening emulator; do
  uv pip compile "requirements/$tool.in" "${common[@]}" --no-strip-extras -o "requirements/$tool.txt"
done
