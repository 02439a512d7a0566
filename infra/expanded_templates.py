"""The deployment templates as CloudFormation sees them: their loops unrolled, so that every resource stands there."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "infra" / "sam"
OVERLAY = "edge"
EDGE = ROOT / "build" / "edge" / "sam.json"
TARGET = ROOT / "build" / "templates"

Resources = dict[str, dict[str, Any]]


def sources() -> list[Path]:
    """Name the templates that can be deployed; the overlay of the edge is part of one."""
    return [path for path in sorted(SOURCES.glob("*.yaml")) if path.stem != OVERLAY] + [EDGE]


@cache
def expanded(path: Path) -> dict[str, Any]:
    """Give a template with its loops unrolled."""
    read = cfn_yaml.load(str(path))
    if read.get("Transform") != "AWS::LanguageExtensions":
        return dict(json.loads(json.dumps(read, default=str)))
    problems, made = language_extension(Template(str(path), read, regions=["eu-central-1"]))
    if problems:
        raise SystemExit(f"{path.name} cannot be expanded: {problems[0]}")
    return dict(json.loads(json.dumps(made, default=str)))


def named(name: str) -> dict[str, Any]:
    """Give infra/sam/*name*.yaml, or the edge's."""
    return expanded(EDGE if name == "edge" else SOURCES / f"{name}.yaml")


def of_type(name: str, kind: str) -> Resources:
    """Give the resources of one type."""
    return {key: one for key, one in named(name)["Resources"].items() if one["Type"] == kind}


def write() -> list[Path]:
    """Write them all, for tools that know no loops."""
    TARGET.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sources():
        target = TARGET / f"{'edge' if source == EDGE else source.stem}.json"
        target.write_text(json.dumps(expanded(source), indent=1), encoding="utf-8")
        written.append(target)
    return written
