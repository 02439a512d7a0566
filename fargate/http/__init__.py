"""What every service's ASGI app shares: identity, problems, traces, limits, event streams."""
