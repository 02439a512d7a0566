"""What holds for either place of the search indexes: S3 Vectors, or PostgreSQL in a cluster of the platform's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fargate.adapters.pgvector_encryption import encryption
from fargate.bootstrap import SERVICES
from infra.expanded_templates import named, of_type, rendered

STORES = ("s3vectors", "pgvector")
WHO_SEARCH = frozenset({"ingestion", "retrieval"})
_URL = "postgresql://ragstone@host:5432/ragstone?sslmode=verify-full&sslrootcert=rds"


def only_the_chosen_store_is_made() -> Iterator[str]:
    """A bucket or a cluster, never both."""
    for store in STORES:
        found = {
            "s3vectors": "VectorBucket" in rendered("platform", VectorStore=store)["Resources"],
            "pgvector": "Database" in rendered("ragstone", VectorStore=store)["Resources"],
        }
        yield from (
            f"{store}: {name} is {'made' if made else 'missing'}"
            for name, made in found.items()
            if made != (name == store)
        )


def roles_reach_the_chosen_store_alone() -> Iterator[str]:
    """Nobody but who searches or writes vectors, and nobody what is not there."""
    for store in STORES:
        policies = json.dumps(_policies(store))
        unused = "rds-db:" if store == "s3vectors" else "s3vectors:"
        if f'"{unused}' in policies:
            yield f"{store}: a role may {unused}*"
        who = {
            role["Ref"].removesuffix("Role").lower()
            for one in _policies(store)
            if '"rds-db:' in json.dumps(one) or '"s3vectors:' in json.dumps(one)
            for role in one["Roles"]
        }
        if who != WHO_SEARCH:
            yield f"{store}: it is reached by {sorted(who)}"


def tasks_are_told_of_the_chosen_store() -> Iterator[str]:
    """All that the settings ask for beside `RAGSTONE_VECTORS`, and who may connect has the group that is let in."""
    for service in SERVICES:
        told = _environment(service, "")
        if told.get("RAGSTONE_VECTORS") != "s3vectors" or "RAGSTONE_VECTOR_BUCKET" not in told:
            yield f"the {service} service is not told of S3 Vectors"
        told = {key: one for key, one in _environment(service, _URL).items() if "VECTOR" in key or "POSTGRES" in key}
        wanted = {
            "RAGSTONE_VECTORS": "pgvector",
            "RAGSTONE_POSTGRES_URL": _ref("PostgresWriterUrl" if service == "ingestion" else "PostgresReaderUrl"),
            "RAGSTONE_POSTGRES_IAM": "true",
        }
        if told != (wanted if service in WHO_SEARCH else {}):
            yield f"the {service} service is told {sorted(told)} where indexes are in PostgreSQL"
        running = rendered("service", Service=service, PostgresWriterUrl=_URL)["Resources"]["Running"]["Properties"]
        groups = running["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]
        if (_ref("PostgresClientsGroup") in groups) != (service in WHO_SEARCH):
            yield f"the {service} service has the groups {groups}"


def databases_are_closed() -> Iterator[str]:
    """Encrypted, private, kept from loss, and signed in to by roles, over TLS, by those tasks alone."""
    (cluster,) = (one["Properties"] for one in of_type("database", "AWS::RDS::DBCluster").values())
    wanted = {
        "StorageEncrypted": True,
        "KmsKeyId": _ref("KeyArn"),
        "ManageMasterUserPassword": True,
        "EnableIAMDatabaseAuthentication": True,
        "DeletionProtection": True,
        # What was deleted is in backups too: no longer than in buckets.
        "BackupRetentionPeriod": _ref("KeepDeletedDays"),
        "EnableCloudwatchLogsExports": ["postgresql"],
    }
    yield from (f"the cluster has not {key} {value}" for key, value in wanted.items() if cluster.get(key) != value)
    (parameters,) = (one["Properties"] for one in of_type("database", "AWS::RDS::DBClusterParameterGroup").values())
    if parameters["Parameters"] != {"rds.force_ssl": "1", "log_error_verbosity": "terse"}:
        yield "the cluster takes connections without TLS, or logs values"
    for name, one in of_type("database", "AWS::RDS::DBInstance").items():
        if one["Properties"]["PubliclyAccessible"] is not False:
            yield f"{name} may be reached from anywhere"
    (rule,) = named("database")["Resources"]["ClusterGroup"]["Properties"]["SecurityGroupIngress"]
    if rule["SourceSecurityGroupId"] != _ref("ClientsGroup") or "CidrIp" in rule:
        yield "the cluster lets others in"
    for url in ("WriterUrl", "ReaderUrl"):
        yield from _wrong_address(named("database")["Outputs"][url]["Value"]["Fn::Sub"])


def _wrong_address(url: str) -> Iterator[str]:
    parts = urlsplit(url.replace("${Cluster.Endpoint.Address}", "host"))
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    context = encryption("host", said)
    if parts.password or said.get("sslrootcert") != "rds" or not (context and context.check_hostname):
        yield f"{url} does not make sure of the server, or names a password"


def _policies(store: str) -> list[Mapping[str, Any]]:
    url = _URL if store == "pgvector" else ""
    resources = rendered("services", PostgresWriterUrl=url)["Resources"].values()
    return [one["Properties"] for one in resources if one["Type"] == "AWS::IAM::Policy"]


def _environment(service: str, url: str) -> dict[str, Any]:
    task = rendered("service", Service=service, PostgresWriterUrl=url)["Resources"]["Task"]["Properties"]
    return {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}


def _ref(name: str) -> dict[str, str]:
    return {"Ref": name}
