"""The edge's template: Chalice's own, with streams led past the Lambda, and refusals as the API words them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.streams import STREAMS
from infra.edge_template import INTEGRATION, check, template


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The template of this checkout."""
    return template()


def body_of(made: dict[str, Any]) -> dict[str, Any]:
    return dict(made["Resources"]["RestAPI"]["Properties"]["DefinitionBody"])


def test_every_operation_of_the_api_is_led_somewhere(made: dict[str, Any]) -> None:
    """The declarations are the only list of operations."""
    paths = body_of(made)["paths"]
    declared = {(one.path, one.method.value.lower()) for resource in RESOURCES for one in resource.operations}
    assert declared <= {(path, method) for path, methods in paths.items() for method in methods}


@pytest.mark.parametrize(("path", "upstream"), STREAMS.items())
def test_streams_go_past_the_lambda_with_the_callers_identity(made: dict[str, Any], path: str, upstream: str) -> None:
    """A caller's own identity header is replaced, and its credential goes no further."""
    stream = body_of(made)["paths"][path]["post"][INTEGRATION]
    assert stream["uri"] == {"Fn::Sub": f"https://${{InternalDomain}}{upstream}"}
    assert stream["responseTransferMode"] == "STREAM"
    assert stream["requestParameters"] == {
        "integration.request.header.X-Ragstone-Identity": "context.authorizer.identity",
        "integration.request.header.Authorization": "'-'",
    }


def test_what_the_gateway_refuses_is_a_problem_that_pages_may_read(made: dict[str, Any]) -> None:
    """With the status, the words and the trace that the API would give."""
    refusal = body_of(made)["x-amazon-apigateway-gateway-responses"]["ACCESS_DENIED"]
    problem = json.loads(refusal["responseTemplates"]["application/json"])
    assert (refusal["statusCode"], problem["status"], problem["code"]) == ("401", 401, "unauthenticated")
    assert problem["trace_id"] == "$context.xrayTraceId"
    headers = refusal["responseParameters"]
    assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"


def spoil_stream(made: dict[str, Any]) -> None:
    body_of(made)["paths"]["/query/stream"]["post"][INTEGRATION]["responseTransferMode"] = "BUFFERED"


def spoil_security(made: dict[str, Any]) -> None:
    del body_of(made)["paths"]["/query/stream"]["post"]["security"]


def spoil_tls(made: dict[str, Any]) -> None:
    body_of(made)["paths"]["/query/stream"]["post"][INTEGRATION]["uri"] = {"Fn::Sub": "http://x.invalid"}


def spoil_policy(made: dict[str, Any]) -> None:
    made["Resources"]["EdgeRole"]["Properties"]["Policies"][1]["PolicyDocument"]["Statement"][0]["Action"] = "s3:*"


def spoil_stage(made: dict[str, Any]) -> None:
    made["Resources"]["RestAPI"]["Properties"]["StageName"] = "api"


@pytest.mark.parametrize("spoil", [spoil_stream, spoil_security, spoil_tls, spoil_policy, spoil_stage])
def test_a_template_that_is_wrong_is_refused(made: dict[str, Any], spoil: Any) -> None:
    """Nothing else looks inside the definition of the API."""
    spoilt = copy.deepcopy(made)
    spoil(spoilt)
    with pytest.raises(SystemExit):
        check(spoilt)
