"""
Deploy Ragstone to AWS: python -m infra.deploy --help; docs/operations.md says what it needs.

The plan is data: a list of commands. `--plan` prints it, and needs neither an account nor Docker.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from chalicelib import __version__
from fargate.adapters.pgvector_encryption import RDS_ROOTS
from fargate.bootstrap import SERVICES
from infra.expanded_templates import ROOT, named

SAM = ROOT / "build" / "tools" / "templates" / "bin" / "sam"
DIGESTS = ROOT / "build" / "images"
PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")
OWN_PARAMETERS = frozenset({"Name", *(f"{service.capitalize()}Image" for service in SERVICES)})
"""Those of infra/sam/ragstone.yaml that are not asked for."""
PGVECTOR = "pgvector"


@dataclass(frozen=True)
class Deployment:
    """What is deployed where; *parameters* are those of infra/sam/ragstone.yaml."""

    name: str
    account: str
    region: str
    python_image: str
    tag: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def registry(self) -> str:
        """Where the account's images are."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    def image(self, service: str) -> str:
        """Name an image, without its digest."""
        return f"{self.registry}/{self.name}/{service}"


Command = Sequence[str]


def main(arguments: Sequence[str]) -> None:
    """Deploy, or print the plan."""
    given = _parser().parse_args(arguments)
    parameters = checked(_parameters(given.parameter), given.python_image, given.region)
    account = "123456789012" if given.plan else _account(given.region)
    tag = f"{__version__}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    deployment = Deployment(given.name, account, given.region, given.python_image, tag, parameters)
    if given.plan:
        print(*(shlex.join(command) for command in plan(deployment, dict.fromkeys(SERVICES, "sha256:…"))), sep="\n")
        return
    for command in before(deployment):
        _run(command)
    _log_in(deployment)
    for command in built(deployment):
        _run(command)
    _run(deployed(deployment, {service: _digest(service) for service in SERVICES}))
    for command in after(deployment):
        _run(command)


def plan(deployment: Deployment, digests: Mapping[str, str]) -> list[Command]:
    """Give every command, in order."""
    return [*before(deployment), *built(deployment), deployed(deployment, digests), *after(deployment)]


def before(deployment: Deployment) -> list[Command]:
    """Give what makes the package, and the places for images."""
    registry = str(ROOT / "infra" / "sam" / "registry.yaml")
    return [
        [sys.executable, "-m", "infra.build_edge"],
        _sam_deploy(deployment, f"{deployment.name}-registry", registry, {"Name": deployment.name}),
    ]


def built(deployment: Deployment) -> list[Command]:
    """Give what builds and pushes the images; each leaves its digest in a file."""
    common = ["docker", "buildx", "build", "--platform", "linux/amd64", "--provenance=false", "--push"]
    return [
        [
            *common,
            *("--build-arg", f"PYTHON_IMAGE={deployment.python_image}", "--target", service),
            *("--metadata-file", str(_digest_file(service)), "--tag", f"{deployment.image(service)}:{deployment.tag}"),
            str(ROOT),
        ]
        for service in SERVICES
    ]


def deployed(deployment: Deployment, digests: Mapping[str, str]) -> Command:
    """Give what makes the stacks run these images."""
    images = {f"{service.capitalize()}Image": f"{deployment.image(service)}@{digests[service]}" for service in SERVICES}
    parameters = {"Name": deployment.name, **images, **deployment.parameters}
    return _sam_deploy(deployment, deployment.name, str(ROOT / "infra" / "sam" / "ragstone.yaml"), parameters)


def after(deployment: Deployment) -> list[Command]:
    """Give what the stacks need then: pgvector and a user, in a database that has neither."""
    if deployment.parameters.get("VectorStore") != PGVECTOR:
        return []
    return [[sys.executable, "-m", "infra.database", "--stack", deployment.name, "--region", deployment.region]]


def checked(parameters: Mapping[str, str], python_image: str, region: str) -> Mapping[str, str]:
    """Give *parameters*, if the template takes them. Stops with the first that is unknown, missing or malformed."""
    known = {name: one for name, one in named("ragstone")["Parameters"].items() if name not in OWN_PARAMETERS}
    for name, value in parameters.items():
        if name not in known:
            raise SystemExit(f"there is no parameter {name}; there are {', '.join(sorted(known))}")
        _check_value(name, value, known[name])
    missing = [name for name, one in known.items() if "Default" not in one and name not in parameters]
    if missing:
        raise SystemExit(f"parameters are missing: {', '.join(missing)}; give each as --parameter NAME=VALUE")
    if not PINNED.fullmatch(python_image):
        raise SystemExit(f"the base image must be named by its digest (name@sha256:…), which {python_image!r} is not")
    if parameters.get("VectorStore") == PGVECTOR:
        _check_region(region)
    return parameters


def _check_value(name: str, value: str, taken: Mapping[str, Any]) -> None:
    pattern, allowed = taken.get("AllowedPattern"), [str(one) for one in taken.get("AllowedValues", ())]
    if pattern and not re.search(pattern, value):
        raise SystemExit(f"{name} must match {pattern}, which {value!r} does not")
    if allowed and value not in allowed:
        raise SystemExit(f"{name} must be one of {', '.join(allowed)}, which {value!r} is not")


def _check_region(region: str) -> None:
    """Services would talk to no database there."""
    if f"# region: {region}\n" not in RDS_ROOTS.read_text(encoding="utf-8"):
        raise SystemExit(
            f"{RDS_ROOTS.name} does not say who vouches for databases in {region}; add its root, as it has others"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Build Ragstone's images and deploy it to AWS.")
    parser.add_argument("--name", default=os.environ.get("NAME", "ragstone"), help="what everything is called after")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "eu-central-1"))
    parser.add_argument("--python-image", default=os.environ.get("PYTHON_IMAGE", ""), help="base image, by its digest")
    parser.add_argument(
        *("--parameter", "-p"),
        action="append",
        default=shlex.split(os.environ.get("PARAMETERS", "")),
        metavar="NAME=VALUE",
        help="a parameter of infra/sam/ragstone.yaml",
    )
    parser.add_argument("--plan", action="store_true", help="print the commands and run none")
    return parser


def _parameters(given: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _account(region: str) -> str:
    session = boto3.session.Session(region_name=region)
    if session.get_credentials() is None:
        raise SystemExit(
            "There are no AWS credentials here, so nothing was built or deployed. Sign in (`aws sso login`, or set "
            "AWS_PROFILE), or look at the plan: python -m infra.deploy --plan …"
        )
    return str(session.client("sts").get_caller_identity()["Account"])


def _sam_deploy(deployment: Deployment, stack: str, template: str, parameters: Mapping[str, str]) -> Command:
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    return [
        *(str(SAM), "deploy", "--template-file", template, "--stack-name", stack, "--region", deployment.region),
        *("--resolve-s3", "--no-fail-on-empty-changeset"),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--tags", f"ragstone:version={__version__}", "--parameter-overrides", *overrides),
    ]


def _log_in(deployment: Deployment) -> None:
    asked = ["aws", "ecr", "get-login-password", "--region", deployment.region]
    password = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    command = ["docker", "login", "--username", "AWS", "--password-stdin", deployment.registry]
    subprocess.run(command, input=password, text=True, check=True)


def _digest_file(service: str) -> Path:
    return DIGESTS / f"{service}.json"


def _digest(service: str) -> str:
    return str(json.loads(_digest_file(service).read_text(encoding="utf-8"))["containerimage.digest"])


def _run(command: Command) -> None:
    print("$", shlex.join(command), flush=True)
    DIGESTS.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main(sys.argv[1:])
