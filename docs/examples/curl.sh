#!/bin/sh
# Ask, stream, upload and give feedback with nothing but curl (and Python, to read what comes back).
# RAGSTONE_KEY=$(cat .ragstone/admin.key) sh docs/examples/curl.sh
set -eu
url=${RAGSTONE_URL:-http://127.0.0.1:8080}/v1
question='{"question": "Can I stop a DB instance that has a read replica?"}'

call() {
  curl --silent --show-error --fail-with-body -H "Authorization: Bearer $RAGSTONE_KEY" \
    -H "Content-Type: application/json" "$@"
}
read_out() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

echo "# Ask"
answer=$(call "$url/query" -d "$question")
echo "$answer" | read_out '["answer"]'

echo "# Say what you think of it"
run=$(echo "$answer" | read_out '["run_id"]')
call "$url/feedback" -d "{\"run_id\": \"$run\", \"rating\": \"up\", \"user\": \"ada@example.com\"}" | read_out '["rating"]'

echo "# Ask for a stream"
call --no-buffer "$url/query/stream" -d "$question" | grep --line-buffered '^event:'

echo "# Upload a file"
folder=$(mktemp -d)
printf '# Leave\n\nEverybody has 30 days of leave.\n' > "$folder/leave.md"
size=$(wc -c < "$folder/leave.md" | tr -d ' ')
call "$url/indexes" -d '{"name": "curl-example"}' > "$folder/index.json" || true # it may be there already
call "$url/uploads" -d "{\"index\": \"curl-example\", \"files\": [
  {\"name\": \"leave.md\", \"size_bytes\": $size, \"external_id\": \"leave.md\"}]}" > "$folder/upload.json"
python3 - "$folder" "$url" > "$folder/upload.curl" <<'PYTHON'
import json, sys, urllib.parse
folder, api = sys.argv[1:]
upload = json.load(open(f"{folder}/upload.json"))["uploads"][0]
print("url =", json.dumps(urllib.parse.urljoin(api, upload["url"])), "\nrequest =", upload["method"])
for name, value in upload["headers"].items():
    print("header =", json.dumps(f"{name}: {value}"))
for name, value in upload["fields"].items():
    print("form-string =", json.dumps(f"{name}={value}"))
print(f'form = "file=@{folder}/leave.md"' if upload["fields"] else f'upload-file = "{folder}/leave.md"')
PYTHON
curl --silent --show-error --fail-with-body --config "$folder/upload.curl" # without the key: the address is the permission
document=$(read_out '["uploads"][0]["document_id"]' < "$folder/upload.json")
until call "$url/documents/$document" | grep -q '"status":"ready"'; do sleep 1; done
call "$url/query" -d '{"question": "How many days of leave has everybody?", "index": "curl-example"}' | read_out '["answer"]'
