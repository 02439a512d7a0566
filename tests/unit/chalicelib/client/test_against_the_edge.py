"""The client against the real edge: whatever the API can do, Python can ask for, and understands the answer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.asking import QueryRequest
from chalicelib.contracts.audit import AuditQuery
from chalicelib.contracts.budgets import BudgetCreate, BudgetPatch
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.feedback import FeedbackCreate, FeedbackQuery, FeedbackTokenCreate, TriagePatch
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.contracts.prompts import (
    PromptCreate,
    PromptDiffQuery,
    PromptPatch,
    PromptPreviewRequest,
    PromptVersionCreate,
)
from chalicelib.contracts.releases import AliasCreate, AliasPatch, Promotion, ReleaseCreate, Rollback
from chalicelib.contracts.routes import DeploymentModel, RouteCreate, RoutePatch
from chalicelib.contracts.tenants import TenantPatch
from chalicelib.contracts.usage import UsageGroup, UsageQuery
from chalicelib.domain.access import Role
from chalicelib.domain.budgets import BudgetScope, Period
from chalicelib.domain.feedback import Rating, TriageStatus
from chalicelib.domain.routes import RouteKind
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.errors import Conflict, NotFound
from fargate.standalone.api_gateway import ApiGateway
from fargate.standalone.load_balancer import LoadBalancer
from tests.fakes.edge_world import World
from tests.fakes.serving import serving

NOT_FOR_PYTHON = {
    ("PUT", "/public/feedback"),
    ("DELETE", "/public/feedback"),  # for pages, by token
    ("POST", "/chat/completions"),
    ("GET", "/models"),  # OpenAI's client does that
    ("GET", "/models/{model}"),
    ("GET", "/openapi.json"),  # no contract, but a description of all
}
METHODS = {
    "_get": "GET", "_all": "GET", "_items": "GET", "_post": "POST", "_create": "POST", "_act": "POST",
    "_change": "PATCH", "_delete": "DELETE", "_call": "POST",
}  # fmt: skip
USER = "{{passages}}\n\n{{question}}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give the client of an admin; each test works on names of its own."""
    world = World(tmp_path_factory.mktemp("edge"))
    with (
        closing(world),
        closing(ApiGateway(world.app, LoadBalancer({}))) as gateway,
        serving(LoadBalancer({"v1": gateway})) as url,
        Client(url, world.key(Role.ADMIN), timeout_s=10) as client,
    ):
        client.create_index(IndexCreate(name="handbook"))
        client.create_index(IndexCreate(name="wiki"))
        yield client


def test_every_operation_has_a_call_and_every_call_an_operation() -> None:
    """But for those that are for others than programs in Python."""
    declared = {(one.method.value, one.path) for resource in RESOURCES for one in resource.operations}
    expected = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in declared - NOT_FOR_PYTHON}
    assert set(_calls()) == expected


def _calls() -> Iterator[tuple[str, str]]:
    """Give method and path of every call that the client's modules write down."""
    for module in Path("chalicelib/client").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                method, texts = METHODS[node.func.attr], [_text(one) for one in node.args]
                yield from ((method, text) for text in texts if text.startswith("/"))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_feedback_is_sent_listed_and_triaged(client: Client) -> None:
    """What is sent later takes the place of what the same person said before, and the history is kept."""
    run_id = client.query(QueryRequest(question="Leave?", index="handbook", user="ada")).run_id
    first = client.send_feedback(FeedbackCreate(run_id=run_id, rating=Rating.UP))
    second = client.send_feedback(FeedbackCreate(run_id=run_id, rating=Rating.DOWN, comment="It is 32 days."))
    assert (second.feedback_id, second.revision) == (first.feedback_id, 2)
    assert [one.comment for one in client.feedback(FeedbackQuery(run=run_id))] == ["It is 32 days."]
    assert list(client.feedback(FeedbackQuery(run=run_id, rating=Rating.UP))) == []
    assert list(client.feedback(FeedbackQuery(run=run_id, retracted=True))) == []
    assert len(client.feedback_detail(second.feedback_id).history) == 2
    patch = TriagePatch(status=TriageStatus.TRIAGED, labels=["leave"])
    triaged = client.triage_feedback(second.feedback_id, patch, if_version=second.version)
    assert (triaged.status, triaged.labels) == (TriageStatus.TRIAGED, ["leave"])
    with pytest.raises(Conflict):
        client.triage_feedback(second.feedback_id, patch, if_version=second.version)
    assert client.create_feedback_token(FeedbackTokenCreate(run_id=run_id)).run_id == run_id
    assert run_id in {one.run_id for one in client.feedback()}


def test_a_tenant_is_set_up(client: Client) -> None:
    """What is not given stays as it was; what somebody else changed meanwhile is not overwritten."""
    (before,) = client.tenants()
    after = client.change_tenant(before.tenant, TenantPatch(run_retention_days=7), if_version=before.version)
    assert (after.run_retention_days, after.link_hosts) == (7, before.link_hosts)
    assert client.tenant(before.tenant) == after
    with pytest.raises(Conflict):
        client.change_tenant(before.tenant, TenantPatch(link_hosts=[]), if_version=before.version)
    assert [one.action for one in client.audit(AuditQuery(resource=f"tenants/{before.tenant}"))] == ["tenant.change"]


def test_releases_go_live_and_come_back(client: Client) -> None:
    """By promotion, which needs a reason, and by rollback."""
    first = client.create_release(ReleaseCreate(index="handbook"))
    second = client.create_release(ReleaseCreate(index="wiki"))
    assert client.promote_release(first.release, Promotion(override_reason="a test")).release == first.release
    assert client.promote_release(second.release, Promotion(override_reason="a test")).release == second.release
    assert client.diff_release(first.release).differences[0].setting == "index"
    assert client.roll_back(Rollback(reason="enough")).release == first.release
    assert client.release("live").release == first.release
    assert {first.release, second.release} <= {one.release for one in client.releases()}


def test_aliases_point_where_they_are_told(client: Client) -> None:
    """With their history."""
    first = client.create_release(ReleaseCreate(index="handbook")).release
    second = client.create_release(ReleaseCreate(index="wiki")).release
    made = client.create_alias(AliasCreate(name="beta", release=first))
    moved = client.change_alias("beta", AliasPatch(release=second), if_version=made.version)
    assert client.alias("beta") == moved
    assert [one.release for one in client.alias_versions("beta")] == [second, first]
    assert "beta" in {one.name for one in client.aliases()}
    with pytest.raises(Conflict):
        client.delete_alias("beta", if_version=made.version)
    assert client.delete_alias("beta", if_version=moved.version).release == second
    with pytest.raises(NotFound):
        client.alias("beta")


def test_prompts_have_versions_and_labels(client: Client) -> None:
    """Each version stays; a label moves."""
    first = client.create_prompt(PromptCreate(name="helpdesk", system="Be brief.", user=USER))
    second = client.create_prompt_version("helpdesk", PromptVersionCreate(system="Be kind.", user=USER))
    assert (first.version, second.version) == (1, 2)
    labelled = client.change_prompt("helpdesk", PromptPatch(labels={"tested": 1}))
    assert client.prompt("helpdesk") == labelled
    assert client.prompt_version("helpdesk", "tested").system == "Be brief."
    assert [one.version for one in client.prompt_versions("helpdesk")] == [2, 1]
    assert "+Be kind." in client.diff_prompt("helpdesk").system
    assert client.diff_prompt("helpdesk", PromptDiffQuery(before="1", after="1")).system == ""
    assert [one.name for one in client.prompts()] == ["helpdesk"]
    preview = client.preview_prompt(PromptPreviewRequest(question="Leave?", index="handbook", prompt="helpdesk@1"))
    assert preview.messages


def test_routes_are_kept_and_tried(client: Client) -> None:
    """With their versions and the state of their deployments."""
    deployment = DeploymentModel(model="openai/gpt-5-mini")
    made = client.create_route(RouteCreate(name="chat", kind=RouteKind.CHAT, deployments=[deployment]))
    changed = client.change_route("chat", RoutePatch(timeout_s=20), if_version=made.version)
    assert client.route("chat") == changed
    assert [one.version for one in client.route_versions("chat")] == [2, 1]
    assert client.test_route("chat").route == client.route_health("chat").route == "chat"
    assert "chat" in {one.name for one in client.routes()}
    assert isinstance(client.providers(), list)
    assert client.delete_route("chat").name == "chat"


def test_money_is_bounded_and_counted(client: Client) -> None:
    """By budgets, and by what was used."""
    budget = BudgetCreate(name="all", scope=BudgetScope.TENANT, period=Period.MONTH, limit_usd_micros=5)
    made = client.create_budget(budget)
    changed = client.change_budget("all", BudgetPatch(limit_usd_micros=9), if_version=made.version)
    assert (changed.limit_usd_micros, client.budget("all")) == (9, changed)
    assert [one.name for one in client.budgets()] == ["all"]
    assert client.delete_budget("all").name == "all"
    assert client.usage().group_by is UsageGroup.DAY
    assert client.usage(UsageQuery(group_by=UsageGroup.MODEL)).items == []


def test_documents_say_where_their_bytes_are(client: Client) -> None:
    """For as long as the address is good; and which hang on another."""
    document = client.create_document(DocumentCreate(index="handbook", name="leave.md", text="30 days.")).document
    assert "://" in client.content(document.document_id).url or client.content(document.document_id).url[0] == "/"
    assert list(client.documents(attached_to=document.document_id)) == []


def test_the_platform_tells_about_itself(client: Client) -> None:
    """What every store says; a run that no model answered was sent to none."""
    assert client.readiness().status == "ok"
    run_id = client.query(QueryRequest(question="Leave?", index="handbook")).run_id
    with pytest.raises(NotFound):
        client.run_messages(run_id)
