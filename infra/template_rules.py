"""What every deployment of Ragstone must be, read off its templates; each rule gives what breaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chalicelib.adapters.dynamodb_table import definition
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.queue import MAX_DELIVERIES, QueueName
from chalicelib.ports.table import TableName
from chalicelib.settings import PREFIX, Settings, variable
from fargate.bootstrap import SERVICES
from infra.expanded_templates import expanded, named, of_type, sources
from infra.vector_store_rules import (
    databases_are_closed,
    only_the_chosen_store_is_made,
    roles_reach_the_chosen_store_alone,
    tasks_are_told_of_the_chosen_store,
)

DIGEST = "@sha256:"
SECRET_SETTINGS = frozenset(
    variable(name) for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)
PLAIN = {variable("postgres_url")}
"""May hold a password, and does not: `databases_are_closed`."""


def broken() -> list[str]:
    """Say what breaks a rule."""
    return [f"{rule.__name__}: {problem}" for rule in RULES for problem in rule()]


def containers_are_hardened() -> Iterator[str]:
    """Read-only, nobody's, without capabilities, named by digest, and with a log."""
    task = named("service")["Resources"]["Task"]["Properties"]
    for container in task["ContainerDefinitions"]:
        wanted = {"ReadonlyRootFilesystem": True, "Privileged": False, "User": "10001:10001"}
        yield from (
            f"{container['Name']} has not {key} {value}" for key, value in wanted.items() if container.get(key) != value
        )
        if container["LinuxParameters"]["Capabilities"] != {"Drop": ["ALL"]}:
            yield f"{container['Name']} keeps capabilities"
        if container["LogConfiguration"]["LogDriver"] != "awslogs":
            yield f"{container['Name']} has no log"
        image = named("service")["Parameters"][container["Image"]["Ref"]]
        if DIGEST not in image["AllowedPattern"]:
            yield f"{container['Name']} may run an image that is not named by its digest"
    if not any("HealthCheck" in one for one in task["ContainerDefinitions"]):
        yield "no container is asked for its health"


def tasks_know_only_settings_that_there_are() -> Iterator[str]:
    """An unknown name would stop the process; a secret as plain text would stand in the console."""
    for place, given in {"service": _task_environment(), "edge": _edge_environment()}.items():
        own = {name for name in given if name.startswith(PREFIX)}
        unknown = own - {variable(name) for name in Settings.model_fields}
        yield from (f"{place} is given {name}, which is no setting" for name in sorted(unknown))
        yield from (f"{place} is given {name} as plain text" for name in sorted(own & SECRET_SETTINGS - PLAIN))


def services_are_those_of_the_platform() -> Iterator[str]:
    """Each has its stack, its path at the load balancer and its images' place, and none is told its own address."""
    found = {key.lower() for key in of_type("services", "AWS::CloudFormation::Stack")}
    if found != set(SERVICES):
        yield f"the template runs {sorted(found)}, the platform has {sorted(SERVICES)}"
    if {key.removesuffix("Images").lower() for key in of_type("registry", "AWS::ECR::Repository")} != set(SERVICES):
        yield "not every service has a place for its images"
    rule = named("service")["Resources"]["Rule"]["Properties"]["Conditions"]
    if rule != [{"Field": "path-pattern", "PathPatternConfig": {"Values": [{"Fn::Sub": "/${Service}/*"}]}}]:
        yield "a service is not reached by the prefix of its own name"
    priorities = [
        one["Properties"]["Parameters"]["Priority"]
        for one in of_type("services", "AWS::CloudFormation::Stack").values()
    ]
    if len({json.dumps(one) for one in priorities}) != len(SERVICES):
        yield "two services have the same priority at the load balancer"
    for service in SERVICES:
        url = variable(f"{service}_url")
        entry = next(one for one in _raw_environment() if url in json.dumps(one))
        if entry.get("Fn::If", [None])[0] != f"Is{service.capitalize()}":
            yield f"the {service} service is told {url}, and would call itself"


def tables_are_what_the_adapter_expects() -> Iterator[str]:
    """Keys, indexes and projections to the letter; kept from loss in three ways."""
    tables = of_type("platform", "AWS::DynamoDB::Table")
    names = {one["Properties"]["TableName"]["Fn::Join"][1][-1]: one["Properties"] for one in tables.values()}
    if set(names) != {table.value for table in TableName}:
        yield f"the tables are {sorted(names)}"
    for name, properties in names.items():
        wanted = definition(TableName(name), "") | {"TableName": properties["TableName"]}
        yield from (f"{name}: {key} differs" for key, value in wanted.items() if properties.get(key) != value)
        kept = {
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "DeletionProtectionEnabled": True,
        }
        yield from (f"{name}: {key} is missing" for key, value in kept.items() if properties.get(key) != value)
        if not properties["SSESpecification"]["SSEEnabled"]:
            yield f"{name}: not encrypted by our key"


def buckets_are_closed() -> Iterator[str]:
    """Encrypted, versioned, private, and reached by TLS alone."""
    buckets = of_type("platform", "AWS::S3::Bucket")
    if {key.removesuffix("Bucket").lower() for key in buckets} != {bucket.value for bucket in Bucket}:
        yield f"the buckets are {sorted(buckets)}"
    policies = {
        one["Properties"]["Bucket"]["Ref"]: one for one in of_type("platform", "AWS::S3::BucketPolicy").values()
    }
    for name, one in buckets.items():
        properties = one["Properties"]
        if set(properties["PublicAccessBlockConfiguration"].values()) != {True}:
            yield f"{name} may become public"
        if "aws:kms" not in json.dumps(properties["BucketEncryption"]):
            yield f"{name} is not encrypted by our key"
        if properties["VersioningConfiguration"][
            "Status"
        ] != "Enabled" or "NoncurrentVersionExpiration" not in json.dumps(one):
            yield f"{name} keeps what was deleted for no time, or for ever"
        if name not in policies or not _tls_only(policies[name]["Properties"]["PolicyDocument"]):
            yield f"{name} answers without TLS"


def queues_give_up_as_the_port_says() -> Iterator[str]:
    """After `MAX_DELIVERIES`; TLS only."""
    queues = {key: one for key, one in of_type("platform", "AWS::SQS::Queue").items() if not key.endswith("DeadQueue")}
    if {key.removesuffix("Queue").lower() for key in queues} != {queue.value for queue in QueueName}:
        yield f"the queues are {sorted(queues)}"
    for name, one in queues.items():
        if one["Properties"]["RedrivePolicy"]["maxReceiveCount"] != MAX_DELIVERIES:
            yield f"{name} gives up after another number of deliveries than {MAX_DELIVERIES}"
    for name, one in of_type("platform", "AWS::SQS::QueuePolicy").items():
        if not _tls_only(one["Properties"]["PolicyDocument"]):
            yield f"{name} lets requests in without TLS"


def deployments_that_fail_go_back() -> Iterator[str]:
    """By the circuit breaker, with the old tasks still running."""
    running = named("service")["Resources"]["Running"]["Properties"]["DeploymentConfiguration"]
    if (
        running["DeploymentCircuitBreaker"] != {"Enable": True, "Rollback": True}
        or running["MinimumHealthyPercent"] < 100
    ):
        yield "a deployment that fails stays"


def no_role_may_do_everything() -> Iterator[str]:
    """No action is a wildcard, and no resource, but where AWS knows no narrower one."""
    for source in sources():
        for name, one in expanded(source)["Resources"].items():
            if not one["Type"].startswith("AWS::IAM::"):
                continue
            for statement in _statements(one["Properties"]):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                yield from (f"{name} may {action}" for action in actions if "*" in action)
                if statement.get("Resource") in ("*", ["*"]):
                    yield from (f"{name} may {each} anywhere" for each in actions if not ANYWHERE.fullmatch(each))


def what_metrics_are_looked_at_are_written() -> Iterator[str]:
    """A dashboard or an alarm on a name that no code writes is silent for ever."""
    text = json.dumps(named("observability"))
    asked = set(re.findall(r"SUM\((\w+)\) FROM Ragstone", text))
    asked |= set(re.findall(r'\{Ragstone,[\w,]+\} MetricName=\\+"(\w+)', text))
    yield from (f"nothing writes the metric {name}" for name in sorted(asked - METRICS))
    if not asked:
        yield "no metric is looked at"


METRICS = frozenset(
    [
        *("Duration", "Requests", "StageDuration", "StageErrors", "Answers", "Claims", "Feedback", "UpstreamDuration"),
        *("UpstreamCalls", "InputTokens", "OutputTokens", "CostUsdMicros", "Fallbacks", "Degraded", "CacheHits"),
        *("RateLimited", "BudgetRefusals", "BudgetWarnings", "ProviderAlerts"),
    ]
)
"""Those of docs/observability.md; a test finds each in the code."""

# AWS knows no resource for these, or Lambda makes the resource under a name of its own.
ANYWHERE = re.compile(
    r"xray:(Put\w+|BatchGetTraces)|cloudwatch:GetMetricStatistics|ecr:GetAuthorizationToken|ec2:\w+NetworkInterfaces?|ec2:DescribeSubnets"
)

RULES: tuple[Callable[[], Iterator[str]], ...] = (
    containers_are_hardened,
    tasks_know_only_settings_that_there_are,
    services_are_those_of_the_platform,
    tables_are_what_the_adapter_expects,
    buckets_are_closed,
    queues_give_up_as_the_port_says,
    deployments_that_fail_go_back,
    no_role_may_do_everything,
    what_metrics_are_looked_at_are_written,
    only_the_chosen_store_is_made,
    roles_reach_the_chosen_store_alone,
    tasks_are_told_of_the_chosen_store,
    databases_are_closed,
)


def _tls_only(policy: Mapping[str, Any]) -> bool:
    denied = {"Bool": {"aws:SecureTransport": "false"}}
    return any(one["Effect"] == "Deny" and one.get("Condition") == denied for one in policy["Statement"])


def _raw_environment() -> list[dict[str, Any]]:
    container = named("service")["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]
    return list(container["Environment"])


def _task_environment() -> set[str]:
    return set(re.findall(r'"Name": "(\w+)"', json.dumps(_raw_environment())))


def _edge_environment() -> set[str]:
    return set(named("edge")["Globals"]["Function"]["Environment"]["Variables"])


def _statements(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    documents = [one["PolicyDocument"] for one in properties.get("Policies", ())]
    for document in [*documents, *([properties["PolicyDocument"]] if "PolicyDocument" in properties else [])]:
        yield from document["Statement"]
