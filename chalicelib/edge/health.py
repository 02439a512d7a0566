"""Whether the platform is up."""

from __future__ import annotations

from chalicelib.contracts.health import Health, Readiness
from chalicelib.contracts.queries import NoQuery
from chalicelib.edge.operations import Resource, Visit
from chalicelib.errors import Unavailable

health = Resource("health", "Whether the platform is up")


@health.open_to_everybody("/health", returns=Health, summary="Say that the API answers")
def get_health(call: Visit[NoQuery]) -> Health:
    """Asks nothing behind the API."""
    return Health(version=call.edge.version)


@health.open_to_everybody("/health/ready", returns=Readiness, summary="Ask every dependency")
def get_readiness(call: Visit[NoQuery]) -> Readiness:
    """Answers 503 when one of them fails; the problem then holds the same `dependencies`."""
    dependencies = call.edge.readiness()
    failing = [dependency.name for dependency in dependencies if dependency.status == "failing"]
    if failing:
        listed = [dependency.model_dump() for dependency in dependencies]
        raise Unavailable(f"Not ready: {', '.join(failing)}.", dependencies=listed)
    return Readiness(status="ok", dependencies=dependencies)
