"""
Who may call what: every declared operation against every kind of credential.

What is expected follows from the declaration. A row says only what the declaration cannot know: how to address
something that exists, and how the operation answers a caller who is allowed, but does not reach what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from chalicelib.domain.access import PERMISSIONS, Permission, Role
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.runs import Sent
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.operations import Operation
from tests.fakes.edge_world import ACME, RIVAL, Reply, World
from tests.fakes.user_token_issuer import OTHER_KEY

OPERATIONS = {operation.name: operation for resource in RESOURCES for operation in resource.operations}


@dataclass(frozen=True)
class Target:
    """A request that succeeds for whoever has the permission and reaches what it names."""

    path: str
    body: Any = None


@dataclass(frozen=True)
class Row:
    """*foreign* and *narrowed* are the answers to another tenant, and to a key of another index, None for success."""

    target: Callable[[Platform], Target]
    foreign: int | None = None
    narrowed: int | None = None
    success: int | None = None
    needs_also: Permission | None = None


@dataclass(frozen=True)
class Platform:
    """One platform for all cases; each case works on an index, a document, a job, a run and a key of its own."""

    world: World
    owner: str
    numbers: Iterator[int]

    def index(self) -> str:
        """Make an index."""
        return self.world.make_index(self.owner, f"index-{next(self.numbers)}")

    def document(self) -> str:
        """Make a document in an index of its own."""
        return self.world.make_document(self.owner, self.index())

    def ask_back(self, path: str) -> Any:
        """Read something through the API."""
        return self.world.ask("GET", path, self.owner).body

    def ask(self, path: str, body: Any) -> Any:
        """Make something through the API."""
        reply = self.world.ask("POST", path, self.owner, body)
        assert reply.status < 300, reply.body
        return reply.body


def at(path: str, body: Any = None) -> Callable[[Platform], Target]:
    """Give a target that is the same for every case."""
    return lambda _platform: Target(path, body)


def _with_index(make: Callable[[str], Target]) -> Callable[[Platform], Target]:
    return lambda platform: make(platform.index())


def _with_document(suffix: str = "") -> Callable[[Platform], Target]:
    return lambda platform: Target(f"/documents/{platform.document()}{suffix}")


def _job(platform: Platform) -> Target:
    deleted = platform.world.ask("DELETE", f"/documents/{platform.document()}", platform.owner)
    return Target(f"/jobs/{deleted.body['job']['job_id']}")


def _waiting_job(platform: Platform) -> str:
    document = {"index": platform.index(), "name": "a.md", "text": "A."}
    job_id: str = platform.ask("/documents", document)["job"]["job_id"]
    return job_id


def _cancelled_job(platform: Platform) -> str:
    job_id = _waiting_job(platform)
    platform.world.ask("POST", f"/jobs/{job_id}/cancel", platform.owner)
    return job_id


def _run_id(platform: Platform) -> str:
    run_id: str = platform.ask("/query", {"question": "Leave?", "index": platform.index()})["run_id"]
    return run_id


def _run(platform: Platform) -> Target:
    return Target(f"/runs/{_run_id(platform)}")


def _feedback(platform: Platform, body: Any = None) -> Target:
    given = platform.ask("/feedback", {"run_id": _run_id(platform), "rating": "up"})
    return Target(f"/feedback/{given['feedback_id']}", body)


def _explained_run(platform: Platform) -> Target:
    document_id = platform.document()
    index = platform.ask_back(f"/documents/{document_id}")["index"]
    run_id = platform.ask("/query", {"question": "Leave?", "index": index})["run_id"]
    return Target(f"/runs/{run_id}/explain", {"document_id": document_id})


def _key(platform: Platform) -> Target:
    return Target(f"/api-keys/{platform.ask('/api-keys', {'name': 'one', 'roles': ['reader']})['key']['key_id']}")


def _route(platform: Platform, suffix: str = "", body: Any = None) -> Target:
    name = platform.ask("/routes", _new_route(platform))["name"]
    return Target(f"/routes/{name}{suffix}", body)


def _budget(platform: Platform, body: Any = None) -> Target:
    return Target(f"/budgets/{platform.ask('/budgets', _new_budget(platform))['name']}", body)


def _new_budget(platform: Platform) -> dict[str, Any]:
    for name in [one["name"] for one in platform.ask_back("/budgets")["items"]]:  # there cannot be many
        platform.world.ask("DELETE", f"/budgets/{name}", platform.owner)
    return {"name": f"budget-{next(platform.numbers)}", "scope": "tenant", "period": "day", "limit_usd_micros": 1}


def _new_route(platform: Platform) -> dict[str, Any]:
    deployments = [{"model": "openai/gpt-5-mini"}]
    return {"name": f"route-{next(platform.numbers)}", "kind": "chat", "deployments": deployments}


def _new_schedule(index: str) -> dict[str, Any]:
    return {"name": f"of-{index}", "kind": "sweep", "index": index, "cron": "0 3 * * *"}


def _schedule(platform: Platform, suffix: str = "", body: Any = None) -> Target:
    for one in platform.ask_back("/schedules")["items"]:  # there cannot be many
        platform.world.ask("DELETE", f"/schedules/{one['name']}", platform.owner)
    made = platform.ask("/schedules", _new_schedule(platform.index()))
    return Target(f"/schedules/{made['name']}{suffix}", body)


def _release(platform: Platform, suffix: str = "", body: Any = None) -> Target:
    made = platform.ask("/releases", {"index": platform.index()})
    return Target(f"/releases/{made['release']}{suffix}", body)


def _alias(platform: Platform, suffix: str = "", body: Any = None) -> Target:
    return Target(f"/aliases/{platform.ask('/aliases', _new_alias(platform))['name']}{suffix}", body)


def _new_alias(platform: Platform) -> dict[str, Any]:
    for one in platform.ask_back("/aliases")["items"]:  # there cannot be many
        platform.world.ask("DELETE", f"/aliases/{one['name']}", platform.owner)
    release = platform.ask("/releases", {"index": platform.index()})["release"]
    return {"name": f"alias-{next(platform.numbers)}", "release": release}


def _promoted(platform: Platform) -> None:
    target = _release(platform, "/promote", {"override_reason": "a test"})
    platform.ask(target.path, target.body)


def _rollback(platform: Platform) -> Target:
    _promoted(platform)
    _promoted(platform)
    return Target("/releases/rollback", {})


def _promotion(platform: Platform) -> Target:
    return _release(platform, "/promote", {"override_reason": "a test"})


def _new_prompt(platform: Platform) -> dict[str, str]:
    user = "{{passages}} {{question}}"
    return {"name": f"prompt-{next(platform.numbers)}", "system": "Be kind.", "user": user}


def _prompt(platform: Platform, suffix: str = "", body: Any = None) -> Target:
    return Target(f"/prompts/{platform.ask('/prompts', _new_prompt(platform))['name']}{suffix}", body)


def _messages(platform: Platform) -> Target:
    run_id = RunId(_run_id(platform))
    runs = platform.world.edge.runs
    runs.add(ACME, replace(runs.get(ACME, run_id), sent=Sent(None, {}, "0")))
    return Target(f"/runs/{run_id}/messages")


QUESTION = "How many days of leave do I have?"
NEW_VERSION = {"system": "Be brief.", "user": "{{passages}} {{question}}"}
FILE = {"name": "a.pdf", "size_bytes": 3}
ROWS = {
    "create_index": Row(lambda platform: Target("/indexes", {"name": f"new-{next(platform.numbers)}"}), narrowed=404),
    "list_indexes": Row(at("/indexes")),
    "get_index": Row(_with_index(lambda name: Target(f"/indexes/{name}")), 404, 404),
    "sweep_index": Row(_with_index(lambda name: Target(f"/indexes/{name}/sweep")), 404, 404),
    "redrive_index": Row(_with_index(lambda name: Target(f"/indexes/{name}/redrive")), 404, 404),
    "delete_index": Row(_with_index(lambda name: Target(f"/indexes/{name}")), 404, 404),
    "create_document": Row(
        _with_index(lambda name: Target("/documents", {"index": name, "name": "a.md", "text": "A."})), 404, 404
    ),
    "list_documents": Row(at("/documents")),
    "get_document": Row(_with_document(), 404, 404),
    "change_document": Row(
        lambda platform: Target(f"/documents/{platform.document()}", {"metadata": {"year": 2026}}), 404, 404
    ),
    "delete_document": Row(_with_document(), 404, 404),
    "list_chunks": Row(_with_document("/chunks"), 404, 404),
    "list_versions": Row(_with_document("/versions"), 404, 404),
    "get_content": Row(_with_document("/content"), 404, 404),
    "preview_chunks": Row(
        lambda platform: Target(
            "/chunk-previews", {"document_id": platform.document(), "chunker": {"name": "structure"}}
        ),
        404,
        404,
    ),
    "create_uploads": Row(_with_index(lambda name: Target("/uploads", {"index": name, "files": [FILE]})), 404, 404),
    "create_imports": Row(
        _with_index(
            lambda name: Target("/imports", {"index": name, "files": [{"path": "2026/a.pdf", "size_bytes": 3}]})
        ),
        404,
        404,
    ),
    "create_ingestion": Row(
        _with_index(lambda name: Target("/ingestions", {"index": name, "documents": [{"name": "a.md", "text": "A."}]})),
        404,
        404,
    ),
    "create_schedule": Row(_with_index(lambda name: Target("/schedules", _new_schedule(name))), 404, 404),
    "list_schedules": Row(at("/schedules")),
    "get_schedule": Row(_schedule, 404, 404),
    "change_schedule": Row(lambda platform: _schedule(platform, body={"enabled": False}), 404, 404),
    "delete_schedule": Row(_schedule, 404, 404),
    "run_schedule": Row(lambda platform: _schedule(platform, "/run"), 404, 404),
    "list_jobs": Row(at("/jobs")),
    "get_job": Row(_job, 404, 404),
    "cancel_job": Row(lambda platform: Target(f"/jobs/{_waiting_job(platform)}/cancel"), 404, 404),
    "retry_job": Row(lambda platform: Target(f"/jobs/{_cancelled_job(platform)}/retry"), 404, 404),
    "retrieve": Row(_with_index(lambda name: Target("/retrieve", {"question": QUESTION, "index": name})), 404, 404),
    "query": Row(_with_index(lambda name: Target("/query", {"question": QUESTION, "index": name})), 404, 404),
    "query_stream": Row(at("/query/stream", {"question": QUESTION}), success=503),
    "create_chat_completion": Row(
        at("/chat/completions", {"model": "live", "messages": [{"role": "user", "content": QUESTION}]}), success=503
    ),
    "list_models": Row(at("/models")),
    "get_model": Row(lambda platform: Target(f"/models/{_release(platform).path[10:]}"), 404, 404),
    "list_runs": Row(at("/runs")),
    "explain_run": Row(_explained_run, 404, 404, needs_also=Permission.RUNS_READ),
    "get_run": Row(_run, 404, 404, needs_also=Permission.RUNS_READ),
    "get_run_trace": Row(
        lambda platform: Target(f"{_run(platform).path}/trace"), 404, 404, needs_also=Permission.RUNS_READ
    ),
    "get_run_messages": Row(_messages, 404, 404),
    "create_prompt": Row(lambda platform: Target("/prompts", _new_prompt(platform))),
    "list_prompts": Row(at("/prompts")),
    "get_prompt": Row(_prompt, 404),
    "change_prompt": Row(lambda platform: _prompt(platform, body={"labels": {"live": 1}}), 404),
    "create_prompt_version": Row(lambda platform: _prompt(platform, "/versions", NEW_VERSION), 404),
    "list_prompt_versions": Row(lambda platform: _prompt(platform, "/versions"), 404),
    "get_prompt_version": Row(lambda platform: _prompt(platform, "/versions/1"), 404),
    "diff_prompt": Row(lambda platform: _prompt(platform, "/diff?before=1&after=1"), 404),
    "preview_prompt": Row(
        _with_index(lambda name: Target("/prompt-previews", {"question": QUESTION, "index": name})), 404, 404
    ),
    "create_release": Row(_with_index(lambda name: Target("/releases", {"index": name})), 404, 404),
    "list_releases": Row(at("/releases")),
    "get_release": Row(_release, 404, 404),
    "diff_release": Row(
        lambda platform: Target(f"{(one := _release(platform).path)}/diff?against={one[10:]}"), 404, 404
    ),
    "promote_release": Row(_promotion, 404, 404),
    "rollback_release": Row(_rollback, 404, 404),
    "create_alias": Row(lambda platform: Target("/aliases", _new_alias(platform)), 404, 404),
    "list_aliases": Row(at("/aliases")),
    "get_alias": Row(_alias, 404, 404),
    "list_alias_versions": Row(lambda platform: _alias(platform, "/versions"), 404, 404),
    "change_alias": Row(lambda platform: _alias(platform, body={"release": _release(platform).path[10:]}), 404, 404),
    "delete_alias": Row(_alias, 404, 404),
    "create_route": Row(lambda platform: Target("/routes", _new_route(platform))),
    "list_routes": Row(at("/routes")),
    "get_route": Row(_route, 404),
    "list_route_versions": Row(lambda platform: _route(platform, "/versions"), 404),
    "change_route": Row(lambda platform: _route(platform, body={"timeout_s": 20}), 404),
    "delete_route": Row(_route, 404),
    "test_route": Row(lambda platform: _route(platform, "/test"), 404),
    "get_route_health": Row(lambda platform: _route(platform, "/health"), 404),
    "list_providers": Row(at("/providers")),
    "create_budget": Row(lambda platform: Target("/budgets", _new_budget(platform))),
    "list_budgets": Row(at("/budgets")),
    "get_budget": Row(_budget, 404),
    "change_budget": Row(lambda platform: _budget(platform, {"limit_usd_micros": 2}), 404),
    "delete_budget": Row(_budget, 404),
    "get_usage": Row(at("/usage")),
    "list_audit_events": Row(at("/audit")),
    "list_components": Row(at("/components")),
    "get_me": Row(at("/me")),
    "create_api_key": Row(at("/api-keys", {"name": "one", "roles": ["reader"]}), narrowed=403),
    "list_api_keys": Row(at("/api-keys")),
    "revoke_api_key": Row(_key, 404, 404),
    "create_feedback_token": Row(
        lambda platform: Target("/feedback-tokens", {"run_id": _run_id(platform)}),
        404,
        404,
        needs_also=Permission.RUNS_READ,
    ),
    "put_public_feedback": Row(at("/public/feedback", {"rating": "up"}), success=401),
    "delete_public_feedback": Row(at("/public/feedback"), success=401),
    "create_feedback": Row(
        lambda platform: Target("/feedback", {"run_id": _run_id(platform), "rating": "up"}),
        404,
        404,
        needs_also=Permission.RUNS_READ,
    ),
    "list_feedback": Row(at("/feedback")),
    "get_feedback": Row(_feedback, 404, 404),
    "triage_feedback": Row(lambda platform: _feedback(platform, {"status": "triaged"}), 404, 404),
    "list_tenants": Row(at("/tenants")),
    "get_tenant": Row(at("/tenants/acme"), 404),
    "change_tenant": Row(at("/tenants/acme", {"run_retention_days": 60}), 404),
    "get_health": Row(at("/health")),
    "get_readiness": Row(at("/health/ready")),
    "get_openapi": Row(at("/openapi.json")),
}


def _revoked(world: World) -> str:
    return world.key(Role.ADMIN, change=lambda key: replace(key, revoked_at=world.clock.now()))


def _expired(world: World) -> str:
    return world.key(Role.ADMIN, change=lambda key: replace(key, expires_at=world.clock.now()))


def _wrong_secret(world: World) -> str:
    credential = world.key(Role.ADMIN)
    return credential[:-1] + ("A" if credential[-1] != "A" else "B")


def _expired_token(world: World) -> str:
    return world.issuer.token({"exp": int((world.clock.now() - timedelta(seconds=1)).timestamp())})


REFUSED: dict[str, Callable[[World], str | None]] = {
    "no credential": lambda _world: None,
    "an empty credential": lambda _world: "",
    "a malformed key": lambda _world: "rgs_key_short_secret",
    "a malformed token": lambda _world: "one.two.three",
    "an unknown key": lambda _world: f"rgs_key_{'0' * 26}_{'a' * 43}",
    "a key with a wrong secret": _wrong_secret,
    "a revoked key": _revoked,
    "an expired key": _expired,
    "an expired token": _expired_token,
    "a token with a wrong signature": lambda world: world.issuer.token(key=OTHER_KEY),
    "a token for another application": lambda world: world.issuer.token({"aud": "another-app"}),
    "a token of another issuer": lambda world: world.issuer.token({"iss": "https://elsewhere.example"}),
    "a token without a tenant": lambda world: world.issuer.token({"custom:tenant": None}),
}
ROLES = (Role.READER, Role.EDITOR, Role.ENGINEER, Role.ADMIN)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    world = World(tmp_path_factory.mktemp("matrix"))
    yield Platform(world, world.key(Role.ADMIN), count())
    world.close()


def test_every_operation_has_a_row() -> None:
    """An operation that nobody thought about here fails the build, and so does a row without an operation."""
    assert set(ROWS) == set(OPERATIONS)


@pytest.mark.parametrize("credential", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_only_open_operations_answer_the_unknown(
    platform: Platform, operation: Operation, credential: Callable[[World], str | None]
) -> None:
    """Whoever is not known gets 401 from everything but what is declared open."""
    reply = _call(platform, operation, credential(platform.world))
    assert reply.status == (401 if operation.permission or operation.for_pages else operation.status)


@pytest.mark.parametrize("role", [*ROLES, Role.SERVICE])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_role_may_do_what_its_permissions_say(platform: Platform, operation: Operation, role: Role) -> None:
    """A key with the permission succeeds, a key without it gets 403."""
    reply = _call(platform, operation, platform.world.key(role))
    assert reply.status == _expected(operation, role)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_user_token_gives_the_same_as_a_key(platform: Platform, operation: Operation, role: Role) -> None:
    """It is the role that counts, not how its bearer proved who it is."""
    token = platform.world.issuer.token({"custom:role": role.value})
    assert _call(platform, operation, token).status == _expected(operation, role)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_another_tenants_administrator_finds_nothing(platform: Platform, operation: Operation) -> None:
    """Whatever another tenant names of this one is missing."""
    reply = _call(platform, operation, platform.world.key(Role.ADMIN, tenant=RIVAL))
    assert reply.status == (ROWS[operation.name].foreign or _success(operation))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_key_narrowed_to_another_index_finds_nothing(platform: Platform, operation: Operation) -> None:
    """Whatever stands in an index that the key is not narrowed to is missing."""
    reply = _call(platform, operation, platform.world.key(Role.ADMIN, indexes=["elsewhere"]))
    assert reply.status == (ROWS[operation.name].narrowed or _success(operation))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("who", ["another tenant", "another index"])
def test_lists_show_nothing_out_of_reach(platform: Platform, operation: Operation, who: str) -> None:
    """A list holds no name and no id of what its reader does not reach, though there is plenty."""
    own_index = platform.index()
    own_document = platform.world.make_document(platform.owner, own_index)
    world = platform.world
    rival, narrowed = world.key(Role.ADMIN, tenant=RIVAL), world.key(Role.ADMIN, indexes=["no-other"])
    reply = _call(platform, operation, rival if who == "another tenant" else narrowed)
    assert own_index not in reply.raw.decode()
    assert own_document not in reply.raw.decode()


def _call(platform: Platform, operation: Operation, credential: str | None) -> Reply:
    target = ROWS[operation.name].target(platform)
    return platform.world.ask(operation.method, target.path, credential, target.body)


def _expected(operation: Operation, role: Role) -> int:
    permission, also = operation.permission, ROWS[operation.name].needs_also
    if permission is not None and permission not in PERMISSIONS[role]:
        return 403
    if also is not None and also not in PERMISSIONS[role]:
        return 404
    return _success(operation)


def _success(operation: Operation) -> int:
    return ROWS[operation.name].success or operation.status


def test_a_refused_request_never_reaches_the_services(world: World) -> None:
    """Authorisation comes before validation and before any work: the trouble that waits there is never met."""
    world.store.trouble.error = AssertionError("a service was called")
    reader = world.key(Role.READER)
    assert world.ask("POST", "/documents", reader, {"nonsense": 1}).problem == (403, "forbidden")
    assert world.ask("GET", "/me", reader).body["roles"] == ["reader"]
