"""The operations whose answers do not pass through the Lambda, which could not give them piece by piece."""

from __future__ import annotations

STREAMS = {
    "/query/stream": "/generation/query/stream",
    "/chat/completions": "/generation/chat/completions",
}
"""By the path of their POST, below the stage: where on the load balancer the gateway leads it past the authorizer."""
