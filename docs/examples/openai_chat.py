"""OpenAI's own client: only the address and the key are ours."""

import os

from openai import OpenAI

url = os.environ.get("RAGSTONE_URL", "http://127.0.0.1:8080")
client = OpenAI(base_url=f"{url}/v1", api_key=os.environ["RAGSTONE_KEY"])
question = {"role": "user", "content": "Can I stop a DB instance that has a read replica?"}
for chunk in client.chat.completions.create(model="live", messages=[question], stream=True):
    delta = chunk.choices[0].delta
    print(delta.content or "", end="", flush=True)
    for note in getattr(delta, "annotations", None) or []:
        cited = note["file_citation"]
        print(f"\n  [{cited['index']}] {cited['filename']}: “{cited['quote']}”", end="")
print()
