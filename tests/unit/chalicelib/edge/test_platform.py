"""The caller, the components, and whether the platform is up."""

from __future__ import annotations

from pathlib import Path

from chalicelib.contracts.health import Dependency
from chalicelib.domain.access import Role
from tests.fakes.edge_world import World


def test_the_caller_sees_itself(world: World) -> None:
    """With what its roles allow."""
    key = world.key(Role.READER, groups=["hr", "all-hands"], indexes=["handbook"])
    assert world.ask("GET", "/me", key).body == {
        "tenant": "acme",
        "subject": key.removeprefix("rgs_")[:30],
        "roles": ["reader"],
        "groups": ["all-hands", "hr"],
        "indexes": ["handbook"],
        "permissions": ["ask", "feedback:write", "self"],
    }


def test_components_come_from_all_services(world: World, admin: str) -> None:
    """By kind and name."""
    kinds = [item["kind"] for item in world.ask("GET", "/components", admin).body["items"]]
    assert kinds == ["chunker", "fusion", "model", "parser", "reranker", "strategy"]


def test_health_asks_nothing_behind_the_api(world: World) -> None:
    """It answers while everything else fails."""
    world.dependencies[:] = [Dependency(name="table", status="failing")]
    assert world.ask("GET", "/health").body == {"status": "ok", "version": "1.2.3"}


def test_readiness_names_what_fails(world: World) -> None:
    """503, so that a load balancer understands it too, with every dependency."""
    assert world.ask("GET", "/health/ready").body["status"] == "ok"
    world.dependencies.append(Dependency(name="retrieval", status="failing", detail="refused"))
    reply = world.ask("GET", "/health/ready")
    assert reply.problem == (503, "unavailable")
    assert [one["status"] for one in reply.body["dependencies"]] == ["ok", "failing"]
    assert "retrieval" in reply.body["detail"]


def test_the_hosts_trace_goes_before_the_callers(tmp_path: Path) -> None:
    """In Lambda the trace that goes on stands in the environment, whatever a header says."""
    root = "1-5759e988-bd862e3fe1be46a994272793"
    host = World(tmp_path, trace_of_host=lambda: f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1")
    reply = host.ask("GET", "/health", headers={"X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000"})
    assert reply.headers["x-trace-id"] == root
    host.close()
