"""
Make the template of the API edge: Chalice's own of what `app/app.py` declares, with infra/sam/edge.yaml laid over it.

Chalice knows neither streams nor what its gateway says when it refuses, so both are put in here. What comes out is
checked: neither cfn-lint nor `sam validate` looks inside the definition of a REST API.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from chalice.awsclient import TypedAWSClient
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder, DependencyBuilder
from chalice.deploy.deployer import BuildStage, InjectDefaults, SwaggerBuilder
from chalice.deploy.swagger import CFNSwaggerGenerator
from chalice.package import PackageOptions, ResourceBuilder, SAMTemplateGenerator, TemplateDeepMerger
from chalice.package import YAMLTemplateSerializer as Yaml

from chalicelib.contracts.identity import HEADER
from chalicelib.edge import problems
from chalicelib.edge.application import create_app
from chalicelib.edge.assembly import edge_from_environment
from chalicelib.edge.auth import AUTHORIZER
from chalicelib.edge.streams import STREAMS
from chalicelib.errors import (
    DeadlineExceeded,
    NotFound,
    PayloadTooLarge,
    RagError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "edge" / "sam.json"
OVERLAY = ROOT / "infra" / "sam" / "edge.yaml"
PACKAGE = "../edge.zip"
STAGE = "v1"
PYTHON = "python3.13"
STREAM_TIMEOUT_MS = 900_000
BEHIND = ("INGESTION", "RETRIEVAL", "GENERATION", "GATEWAY")
"""The services whose URLs the edge cannot do without."""

INTEGRATION = "x-amazon-apigateway-integration"
_BY_EDGE = ("Runtime", "Timeout", "MemorySize", "Tracing")
"""What the overlay says for all functions at once."""
_TRACE = "$context.xrayTraceId"

REFUSALS: Mapping[str, RagError] = {
    "UNAUTHORIZED": Unauthenticated("Send an API key or a token: 'Authorization: Bearer …'."),
    "ACCESS_DENIED": Unauthenticated("The API key or token is wrong, expired or revoked."),
    "MISSING_AUTHENTICATION_TOKEN": NotFound("There is no such operation; GET /v1/openapi.json lists them."),
    "RESOURCE_NOT_FOUND": NotFound("There is no such operation; GET /v1/openapi.json lists them."),
    "REQUEST_TOO_LARGE": PayloadTooLarge("The body is too large; send large files with POST /v1/uploads."),
    "THROTTLED": RateLimited("The API gets more requests than it takes; try again.", retry_after_s=1),
    "INTEGRATION_TIMEOUT": DeadlineExceeded("This took over 29 s; ask for a stream, or for less."),
    "INTEGRATION_FAILURE": Unavailable("The API cannot answer now; try again."),
    "AUTHORIZER_FAILURE": Unavailable("The API cannot tell now who asks; try again."),
    "DEFAULT_5XX": Unavailable("The API cannot answer now; try again."),
}
"""What API Gateway answers by itself, by its names."""


def template() -> dict[str, Any]:
    """Give the template of the edge, checked."""
    made = _laid_over(_of_chalice())
    body = made["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    _lead_streams(body)
    body["x-amazon-apigateway-gateway-responses"] = dict(_gateway_responses())
    _settle_functions(made["Resources"])
    check(made)
    return made


def write() -> Path:
    """Write it where infra/sam/ragstone.yaml looks for it."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=TARGET.parent, suffix=".json", encoding="utf-8", delete=False) as file:
        file.write(json.dumps(template(), indent=1, sort_keys=True) + "\n")
    return Path(file.name).replace(TARGET)  # whole, whoever reads it meanwhile


def check(made: Mapping[str, Any]) -> None:
    """Stop unless streams stream, everything goes by TLS, and nothing is open to more than it must be."""
    resources = made["Resources"]
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    wrong = [*_wrong_streams(paths), *_wrong_functions(resources)]
    text = json.dumps(made)
    wrong += [f"{found}: not by TLS" for found in re.findall(r"http://[^\"]+", text)]
    wrong += ["an action is a wildcard"] * bool(re.search(r'"Action": (\["?)?"([a-z0-9]+:)?\*"', text))
    if resources["RestAPI"]["Properties"]["StageName"] != STAGE:
        wrong.append(f"the stage is not {STAGE}, which stands in every path")
    if wrong:
        raise SystemExit("the edge's template is wrong:\n" + "\n".join(wrong))


def _of_chalice() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        urls = {f"RAGSTONE_{name}_URL": "https://service.invalid" for name in BEHIND}
        with patch.dict(os.environ, {**urls, "RAGSTONE_DATA_DIR": folder}):
            app = create_app(edge_from_environment())
    named = json.loads((ROOT / "app" / ".chalice" / "config.json").read_text(encoding="utf-8"))
    # A role of its own, in the overlay; Chalice only has to name one.
    given = {"chalice_app": lambda: app, "project_dir": "app", "manage_iam_role": False, "iam_role_arn": "overlaid"}
    config = Config(STAGE, user_provided_params=given, config_from_disk=named)
    stage = BuildStage([InjectDefaults(), SwaggerBuilder(CFNSwaggerGenerator())])
    builder = ResourceBuilder(ApplicationGraphBuilder(), DependencyBuilder(), stage)
    generator = SAMTemplateGenerator(config, PackageOptions(_Principals()))
    return dict(generator.generate(builder.construct_resources(config, STAGE)))


class _Principals(TypedAWSClient):
    """All that Chalice asks of AWS here."""

    region_name = "eu-central-1"

    def __init__(self) -> None:
        """Make no session, which would look for credentials."""

    def endpoint_dns_suffix(self, *_where: str) -> str:
        return "amazonaws.com"

    def service_principal(self, service: str, *_where: str) -> str:
        return f"{service}.amazonaws.com"


def _laid_over(made: dict[str, Any]) -> dict[str, Any]:
    overlay = Yaml().load_template(OVERLAY.read_text(encoding="utf-8"))
    return dict(TemplateDeepMerger().merge(overlay, made))


def _lead_streams(body: dict[str, Any]) -> None:
    for path, upstream in STREAMS.items():
        body["paths"][path]["post"][INTEGRATION] = {
            "type": "http_proxy",
            "httpMethod": "POST",
            "uri": {"Fn::Sub": f"https://${{InternalDomain}}{upstream}"},
            "connectionType": "VPC_LINK",
            "connectionId": {"Ref": "VpcLinkId"},
            "integrationTarget": {"Ref": "LoadBalancerArn"},
            "responseTransferMode": "STREAM",
            "timeoutInMillis": STREAM_TIMEOUT_MS,
            "passthroughBehavior": "when_no_match",
            "requestParameters": {
                # Whatever a caller writes there is replaced; its credential ends at the gateway.
                f"integration.request.header.{HEADER}": "context.authorizer.identity",
                "integration.request.header.Authorization": "'-'",
            },
        }


def _gateway_responses() -> Iterator[tuple[str, Any]]:
    for name, error in REFUSALS.items():
        answer = problems.response(error, _TRACE)
        headers = {**answer.headers, "Access-Control-Allow-Origin": "*", "X-Trace-Id": None}
        yield (
            name,
            {
                "statusCode": str(answer.status_code),
                "responseParameters": {
                    # Pages of any origin may read that they were refused; there is nothing else in these answers.
                    f"gatewayresponse.header.{header}": f"'{value}'" if value else "context.xrayTraceId"
                    for header, value in headers.items()
                },
                "responseTemplates": {"application/json": answer.body},
            },
        )


def _settle_functions(resources: dict[str, Any]) -> None:
    for function in _functions(resources):
        for name in _BY_EDGE:
            del function[name]
        function |= {"CodeUri": PACKAGE, "Role": {"Fn::GetAtt": ["EdgeRole", "Arn"]}}


def _functions(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Serverless::Function"]


def _wrong_streams(paths: Mapping[str, Any]) -> Iterator[str]:
    for path in STREAMS:
        post = paths[path]["post"]
        if (post[INTEGRATION]["responseTransferMode"], post[INTEGRATION]["type"]) != ("STREAM", "http_proxy"):
            yield f"POST {path} does not stream"
        if post.get("security") != [{AUTHORIZER: []}]:
            yield f"POST {path} asks for no credential"
    for path, methods in paths.items():
        if path not in STREAMS and any("STREAM" in json.dumps(one.get(INTEGRATION)) for one in methods.values()):
            yield f"{path} streams, though the platform does not know it"


def _wrong_functions(resources: Mapping[str, Any]) -> Iterator[str]:
    named = {one["Handler"] for one in _functions(resources)}
    if named != {"app.app", f"app.{AUTHORIZER}"}:
        yield f"there are other functions than the API and its authorizer: {sorted(named)}"
    if any(one["CodeUri"] != PACKAGE or one["Role"] == "overlaid" for one in _functions(resources)):
        yield "a function has not the package or not the role that were made for it"


if __name__ == "__main__":
    print(write().relative_to(ROOT))
