"""The deployment templates as an emulator can take them: whole, but for what it has not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from infra import build_edge, edge_template
from infra.expanded_templates import named

READY_S = 300
# What ministack 1.5.33 has not; each is left out of the templates, and nothing else.
NO_SUCH_TYPE = {
    "AWS::S3Vectors::VectorBucket": "it has no S3 Vectors",
    "AWS::WAFv2::WebACL": "its API Gateway has no firewall to pass",
    "AWS::WAFv2::WebACLAssociation": "likewise",
}
NO_SUCH_OUTPUT = {
    "VectorBucket": "it has no S3 Vectors",
    "JwtIssuer": "its user pools do not tell the address of their issuer (ProviderURL)",
}
RUNTIME = "python3.11"
"""It runs Lambdas on the Python it runs on itself, so the package has the wheels for that one."""
KEY = "arn:aws:kms:eu-central-1:000000000000:key/1"
NOWHERE = {
    "InternalDomain": "127.0.0.1:9",
    "LoadBalancerArn": "arn:aws:elasticloadbalancing:eu-central-1:000000000000:loadbalancer/app/none/1",
    "VpcLinkId": "none",
    "VpcId": "vpc-1",
    "Subnets": "subnet-1",
    "JwtIssuer": "https://issuer.invalid",
}
"""What the stacks that run containers would give; no service stands behind this edge."""
GIVEN = {
    "Name": "ragstone",
    "KeyArn": KEY,
    "KeepDeletedDays": "7",
    "LogRetentionDays": "7",
    "RequestsPerSecond": "100",
    "AdminTenant": "acme",
    "VectorStore": "s3vectors",
}

Outputs = Mapping[str, str]


@contextmanager
def deployed(url: str) -> Iterator[tuple[str, Outputs]]:
    """Deploy what is kept and the API; give the API's address at the emulator *url*, and what the stacks put out."""
    code = f"code-{time.time_ns()}"
    boto3.client("s3").create_bucket(Bucket=code, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    kept = _deploy(url, code, "platform", _without(named("platform")))
    api = _deploy(url, code, "edge", _packaged(_without(_edge()), code), kept)
    yield f"{url}/restapis/{api['RestAPIId']}/v1/_user_request_", kept


def _edge() -> dict[str, Any]:
    """Give the API's template, made anew."""
    return dict(json.loads(edge_template.write().read_text(encoding="utf-8")))


def _without(template: Mapping[str, Any]) -> dict[str, Any]:
    resources = {name: one for name, one in template["Resources"].items() if one["Type"] not in NO_SUCH_TYPE}
    outputs = {name: one for name, one in template["Outputs"].items() if name not in NO_SUCH_OUTPUT}
    # Its loops are unrolled already.
    transform = {} if template.get("Transform") == "AWS::LanguageExtensions" else {"Transform": template["Transform"]}
    rest = {name: part for name, part in template.items() if name != "Transform"}
    return rest | transform | {"Resources": resources, "Outputs": outputs}


def _packaged(template: dict[str, Any], bucket: str) -> dict[str, Any]:
    """Let the functions find the package: that of this checkout, for the emulator's own Python."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "edge.zip"
        build_edge.build(package, build_edge.OWN_WHEELS)
        build_edge.check(package)
        boto3.client("s3").put_object(Bucket=bucket, Key=package.name, Body=package.read_bytes())
    for one in template["Resources"].values():
        if one["Type"] == "AWS::Serverless::Function":
            one["Properties"] |= {"CodeUri": f"s3://{bucket}/edge.zip", "Runtime": RUNTIME}
    return template


def _deploy(url: str, bucket: str, name: str, template: Mapping[str, Any], given: Outputs | None = None) -> Outputs:
    known = NOWHERE | GIVEN | dict(given or {})
    parameters = {key: known.get(key, "") for key in template["Parameters"]}
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}.json", Body=json.dumps(template).encode())
    clouds, ends = boto3.client("cloudformation"), time.monotonic() + READY_S
    clouds.create_stack(
        StackName=name,
        TemplateURL=f"{url}/{bucket}/{name}.json",
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    while (stack := clouds.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"].endswith("IN_PROGRESS"):
        assert time.monotonic() < ends, f"the stack {name} is not made after {READY_S} s"
        time.sleep(0.2)
    assert stack["StackStatus"] == "CREATE_COMPLETE", _failures(clouds, name)
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def _failures(clouds: Any, name: str) -> list[str]:
    events = clouds.describe_stack_events(StackName=name)["StackEvents"]
    return [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in events if "FAILED" in str(one)]
