"""
Runs the suites for a real account, and the deployment, on an emulator: ``python -m tests.fakes.emulator PYTHON``.

*PYTHON* is that of an environment with ministack, which `make test-emulator` makes. S3 Vectors it has not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from tests.e2e.running import free_port
from tests.fakes.serving import eventually

START_S = 60
SUITES = (
    # By one process: what it deploys has the names of the templates, so an account has it once.
    ("tests/emulator", "-m", "emulator"),
    # By six: most of what they do is wait for leases and URLs to end.
    ("tests/aws", "--ignore", "tests/aws/test_vectors.py", "-m", "aws", "-n", "6", "--dist", "worksteal"),
)


def main(python: str, *arguments: str) -> int:
    """Run the suites one after the other; give the first exit status of pytest's that tells of a failure, or 0."""
    with emulator(python) as environment:
        commands = ([sys.executable, "-m", "pytest", *suite, *arguments] for suite in SUITES)
        ends = [subprocess.run(one, env=os.environ | environment, check=False).returncode for one in commands]
    return next(filter(None, ends), 0)


@contextmanager
def emulator(python: str) -> Iterator[Mapping[str, str]]:
    """Run ministack while the context lasts; give the environment that boto3 finds it by."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    own = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen([python, "-m", "ministack"], env=os.environ | own, stdout=subprocess.DEVNULL)
    try:
        if not eventually(lambda: _answers(f"{url}/_ministack/health"), within_s=START_S):
            raise SystemExit(f"ministack did not answer within {START_S} s")
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        process.terminate()
        process.wait(timeout=START_S)


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
