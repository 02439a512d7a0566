"""`python -m fargate.http.probe SERVICE`: say by the exit status whether the service of this container answers."""

from __future__ import annotations

import http.client
import os
import sys

TIMEOUT_S = 4


def main(arguments: list[str]) -> int:
    """Ask the service for its health; give 0 if it is well."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("RAGSTONE_PORT", "8080")), timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", f"/{arguments[0]}/health")
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
