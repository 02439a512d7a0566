"""The deployment templates hold to the platform's rules, and the rules find what does not."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import Settings
from fargate.bootstrap import SERVICES
from infra import edge_template, expanded_templates, role_calls, template_rules
from infra.expanded_templates import EDGE, SOURCES, expanded, named, rendered, sources

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def templates() -> None:
    """Make the edge's, which is not kept."""
    edge_template.write()


def test_the_templates_break_no_rule() -> None:
    """Each rule is a function of its own, and says what breaks it."""
    assert template_rules.broken() == []


def test_each_role_allows_what_its_process_calls_and_nothing_else() -> None:
    """Compared both ways with the calls that the run of many processes recorded; what it cannot see has a reason."""
    assert role_calls.compared() == []


def task() -> dict[str, Any]:
    return dict(named("service")["Resources"]["Task"]["Properties"])


def write_root() -> None:
    task()["ContainerDefinitions"][0]["ReadonlyRootFilesystem"] = False


def misspell_setting() -> None:
    task()["ContainerDefinitions"][0]["Environment"][0]["Name"] = "RAGSTONE_HOTS"


def plain_secret() -> None:
    task()["ContainerDefinitions"][0]["Environment"][0]["Name"] = "RAGSTONE_PROVIDERS"


def other_path() -> None:
    named("service")["Resources"]["Rule"]["Properties"]["Conditions"][0]["PathPatternConfig"]["Values"] = ["/*"]


def missing_service() -> None:
    del named("services")["Resources"]["Gateway"]


def own_address() -> None:
    environment = task()["ContainerDefinitions"][0]["Environment"]
    found = next(one for one in environment if "RAGSTONE_GATEWAY_URL" in json.dumps(one))
    environment[environment.index(found)] = found["Fn::If"][2]


def table_keys() -> None:
    named("platform")["Resources"]["JobsTable"]["Properties"]["KeySchema"].reverse()


def table_unprotected() -> None:
    named("platform")["Resources"]["JobsTable"]["Properties"]["DeletionProtectionEnabled"] = False


def open_bucket() -> None:
    named("platform")["Resources"]["RawBucket"]["Properties"]["PublicAccessBlockConfiguration"]["BlockPublicAcls"] = (
        False
    )


def bucket_without_tls() -> None:
    named("platform")["Resources"]["RawBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"] = []


def other_redrive() -> None:
    named("platform")["Resources"]["IngestionQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] = 3


def no_way_back() -> None:
    running = named("service")["Resources"]["Running"]["Properties"]["DeploymentConfiguration"]
    running["DeploymentCircuitBreaker"]["Rollback"] = False


def wildcard() -> None:
    statements(named("services"), "RetrievalPolicy")[0]["Action"] = "dynamodb:*"


def anywhere() -> None:
    statements(named("services"), "RetrievalPolicy")[0]["Resource"] = "*"


def unwritten_metric() -> None:
    dashboard = named("observability")["Resources"]["Dashboard"]["Properties"]
    dashboard["DashboardBody"] = "SELECT SUM(Answrs) FROM Ragstone"


def both_stores() -> None:
    del named("platform")["Resources"]["VectorBucket"]["Condition"]


def role_of_other_store() -> None:
    del named("services")["Resources"]["RetrievalVectorsPolicy"]["Condition"]


def unasked_connection() -> None:
    named("services")["Resources"]["RetrievalPostgresPolicy"]["Properties"]["Roles"].append({"Ref": "GatewayRole"})


def untold_store() -> None:
    environment = task()["ContainerDefinitions"][0]["Environment"]
    environment.remove(next(one for one in environment if "RAGSTONE_POSTGRES_IAM" in json.dumps(one)))


def closed_way() -> None:
    running = named("service")["Resources"]["Running"]["Properties"]["NetworkConfiguration"]
    del running["AwsvpcConfiguration"]["SecurityGroups"][1]


def open_database() -> None:
    rule = named("database")["Resources"]["ClusterGroup"]["Properties"]["SecurityGroupIngress"][0]
    rule["CidrIp"] = "0.0.0.0/0"


def public_database() -> None:
    named("database")["Resources"]["Instance2"]["Properties"]["PubliclyAccessible"] = True


def database_without_tls() -> None:
    named("database")["Resources"]["Settings"]["Properties"]["Parameters"]["rds.force_ssl"] = "0"


def unknown_server() -> None:
    url = named("database")["Outputs"]["ReaderUrl"]["Value"]
    url["Fn::Sub"] = url["Fn::Sub"].replace("verify-full", "require")


def lasting_backups() -> None:
    named("database")["Resources"]["Cluster"]["Properties"]["BackupRetentionPeriod"] = 35


SPOILT = [
    *(write_root, misspell_setting, plain_secret, other_path, missing_service, own_address, table_keys),
    *(table_unprotected, open_bucket, bucket_without_tls, other_redrive, no_way_back, wildcard, anywhere),
    *(unwritten_metric, both_stores, role_of_other_store, unasked_connection, untold_store, closed_way, open_database),
    *(public_database, database_without_tls, unknown_server, lasting_backups),
]


def statements(template: dict[str, Any], policy: str) -> list[dict[str, Any]]:
    return list(template["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"])


@pytest.fixture
def spoilable() -> Iterator[None]:
    """Let the templates be changed, and mend them afterwards: to read them takes a second."""
    whole = {path: copy.deepcopy(expanded(path)) for path in sources()}
    yield
    for path, template in whole.items():
        expanded(path).clear()
        expanded(path).update(template)


@pytest.mark.usefixtures("spoilable")
@pytest.mark.parametrize("spoil", SPOILT)
def test_a_template_that_breaks_a_rule_is_found(spoil: Callable[[], None]) -> None:
    """A rule that nothing can break would hold nothing."""
    spoil()
    assert template_rules.broken()


@pytest.mark.usefixtures("spoilable")
def test_a_role_that_allows_too_much_or_too_little_is_found() -> None:
    """By who, what, and on what."""
    whole = statements(named("services"), "GatewayPolicy")
    statement = next(one for one in whole if one["Sid"] == "WriteRows")
    statement["Action"] = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    found = role_calls.compared()
    assert "gateway may dynamodb:UpdateItem on ledger, which no test sees and no reason is given for" in found
    assert "gateway has a reason for dynamodb:DeleteItem on ledger, which its role does not allow" in found
    next(one for one in whole if one["Sid"] == "ReadManyRows")["Action"] = "dynamodb:GetItem"
    assert "gateway calls dynamodb:BatchGetItem on ledger, which its role does not allow" in role_calls.compared()


def test_every_metric_of_the_rules_is_written_and_described() -> None:
    """The dashboard's names are held to this list, the list to code and page."""
    files = [path for folder in ("chalicelib", "fargate") for path in (ROOT / folder).rglob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert set(re.findall(r"\.(?:count|time_ms)\(\s*\"(\w+)\"", text)) == template_rules.METRICS
    described = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in described for name in template_rules.METRICS)


def test_every_parameter_of_a_stack_is_given_by_the_one_above() -> None:
    """And nothing is given that it does not take."""
    nests = [("ragstone", name) for name in ("Network", "Platform", "Database", "Services", "Edge", "Observability")]
    for outer, name in [*nests, *(("services", name.capitalize()) for name in SERVICES)]:
        stack = named(outer)["Resources"][name]["Properties"]
        url = stack["TemplateURL"]
        inner = expanded(EDGE if url.endswith("sam.json") else SOURCES / url)
        required = {key for key, one in inner["Parameters"].items() if "Default" not in one}
        assert required <= set(stack["Parameters"]) <= set(inner["Parameters"]), name


URL = "postgresql://ragstone@host:5432/ragstone?sslmode=verify-full&sslrootcert=rds"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("store", ["s3vectors", "pgvector"])
def test_a_task_starts_with_what_it_is_told(service: str, store: str) -> None:
    """Nothing that its settings ask for is missing, wherever search indexes are kept."""
    template = rendered("service", Service=service, PostgresWriterUrl=URL if store == "pgvector" else "")
    told = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Environment"]
    settings = Settings.from_env({one["Name"]: _filled_in(one["Value"]) for one in told})
    searches = store == "s3vectors" or service in ("ingestion", "retrieval")
    assert settings.vectors == (store if searches else "local")
    assert settings.postgres_iam is (settings.vectors == "pgvector")


def _filled_in(value: Any) -> str:
    """Give something like what CloudFormation would put in the place of a name."""
    if isinstance(value, str):
        return value
    if "Fn::Sub" in value:
        return re.sub(r"\$\{\w+\}", "example", value["Fn::Sub"])
    name = value["Ref"]
    samples = {"Threads": "2", "AdminTenant": "local", "PostgresWriterUrl": URL, "PostgresReaderUrl": URL}
    return samples.get(name, "https://example.com/queue" if name.endswith("Url") else "example")


def test_every_output_that_is_read_is_given() -> None:
    """`Outputs` of a nested stack, by name."""
    text = json.dumps(named("ragstone"))
    for stack, output in re.findall(r'\["(\w+)", "Outputs\.(\w+)"\]', text):
        inner = "edge" if stack == "Edge" else stack.lower()
        assert output in expanded_templates.named(inner)["Outputs"], (stack, output)
