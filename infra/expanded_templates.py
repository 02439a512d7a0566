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


def rendered(name: str, **parameters: str) -> dict[str, Any]:
    """Give what CloudFormation makes of a template by *parameters*: without what its conditions leave out."""
    template = named(name)
    given = {key: one.get("Default") for key, one in template["Parameters"].items()} | parameters
    conditions = template.get("Conditions", {})
    kept = {part: _decided(template[part], conditions, given) for part in ("Resources", "Outputs") if part in template}
    return template | kept


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


_LEFT_OUT = {"Ref": "AWS::NoValue"}


def _decided(part: Any, conditions: dict[str, Any], given: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [one for one in (_decided(each, conditions, given) for each in part) if one != _LEFT_OUT]
    if not isinstance(part, dict):
        return part
    if "Fn::If" in part:
        name, then, otherwise = part["Fn::If"]
        return _decided(then if _holds(conditions[name], conditions, given) else otherwise, conditions, given)
    decided = {
        key: _decided(one, conditions, given) for key, one in part.items() if not _is_out(one, conditions, given)
    }
    return {key: one for key, one in decided.items() if one != _LEFT_OUT}


def _is_out(one: Any, conditions: dict[str, Any], given: dict[str, Any]) -> bool:
    """Say whether a resource or an output is under a condition that does not hold; those of policies are no names."""
    name = one.get("Condition") if isinstance(one, dict) else None
    return isinstance(name, str) and not _holds(conditions[name], conditions, given)


def _holds(condition: Any, conditions: dict[str, Any], given: dict[str, Any]) -> bool:
    ((operator, said),) = condition.items()
    match operator:
        case "Condition":
            return _holds(conditions[said], conditions, given)
        case "Fn::Not":
            return not _holds(said[0], conditions, given)
        case "Fn::And":
            return all(_holds(one, conditions, given) for one in said)
        case "Fn::Or":
            return any(_holds(one, conditions, given) for one in said)
        case _:
            left, right = (
                given.get(one["Ref"], one) if isinstance(one, dict) and "Ref" in one else one for one in said
            )
            return bool(left == right)
