"""
Check the deployment templates: python -m infra.check_templates.

First with what is here: cfn-lint, whose warnings count as errors (W3037 is an action that IAM does not know), the rules
of `template_rules`, and each role against the calls of its process. Then, where `make templates` could install them,
with SAM's own check, checkov and cloudsplaining; what could not be had is said to be skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from infra import edge_template
from infra.expanded_templates import EDGE, ROOT, SOURCES, TARGET, sources, write
from infra.role_calls import compared, summary
from infra.template_rules import RULES, broken

TOOLS = ROOT / "build" / "tools"
BASELINE = ROOT / "infra" / "hardening_baseline.json"
OFFLINE = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
# Nested templates are named by their files, as `sam deploy` takes them.
LINT_IGNORED = "W3002"


def main() -> None:
    """Print what was checked, and stop with what is wrong."""
    edge_template.write()
    expanded = write()
    wrong = [*linted(), *broken(), *compared()]
    print(f"cfn-lint: {len(sources())} templates; rules: {len(RULES)}; roles:", *summary(), sep="\n  ")
    wrong += [*validated(), *hardened(), *privileges(expanded)]
    if wrong:
        raise SystemExit("the templates are wrong:\n" + "\n".join(wrong))
    print("the templates hold")


def linted() -> Iterator[str]:
    """Say what cfn-lint has against the templates."""
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", LINT_IGNORED, "--"]
    done = subprocess.run([*command, *map(str, sources())], capture_output=True, text=True, check=False)
    if done.returncode:
        yield done.stdout + done.stderr


def validated() -> Iterator[str]:
    """Say what SAM has against them."""
    sam = _tool("templates", "sam")
    if sam is None:
        return
    for template in (*(SOURCES / f"{name}.yaml" for name in ("ragstone", "services", "platform", "database")), EDGE):
        command = [sam, "validate", "--lint", "--template", str(template), "--region", "eu-central-1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | OFFLINE)
        if done.returncode and LINT_IGNORED not in done.stdout:
            yield f"sam validate {template.name}: {done.stdout}{done.stderr}"
    print("sam validate --lint: done")


def hardened() -> Iterator[str]:
    """Say what checkov finds that the baseline gives no reason for, and what the baseline names for nothing."""
    checkov = _tool("hardening", "checkov")
    if checkov is None:
        return
    frameworks = ["--framework", "cloudformation", "dockerfile", "--file", *map(str, sorted(TARGET.glob("*.json")))]
    command = [checkov, "--quiet", "--compact", "--output", "json", *frameworks, str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | OFFLINE)
    reports = json.loads(done.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    failed = [one for report in reports for one in report.get("results", {}).get("failed_checks", ())]
    passed = sum(report.get("summary", {}).get("passed", 0) for report in reports)
    accepted = json.loads(BASELINE.read_text(encoding="utf-8"))
    print(f"checkov: {passed} passed, {len(failed)} accepted with a reason ({len(accepted)} reasons)")
    found = {one["check_id"]: one["check_name"] for one in failed}
    for one in failed:
        if one["check_id"] not in accepted:
            yield f"checkov {one['check_id']} {one['resource']}: {one['check_name']}"
    yield from (
        f"infra/hardening_baseline.json accepts {name}, which nothing breaks" for name in accepted if name not in found
    )


def privileges(expanded: list[Path]) -> Iterator[str]:
    """Say which policy lets its holder get more rights, or give things away."""
    cloudsplaining = _tool("policies", "cloudsplaining")
    if cloudsplaining is None:
        return
    checked = 0
    for template in expanded:
        for name, document in _documents(json.loads(template.read_text(encoding="utf-8"))):
            policy = TARGET / f"policy-{name}.txt"
            policy.write_text(json.dumps(document), encoding="utf-8")
            command = [cloudsplaining, "scan-policy-file", "--input-file", str(policy)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | OFFLINE)
            checked += 1
            worst = ("Privilege Escalation", "Resource Exposure", "Credentials Exposure")
            yield from (f"cloudsplaining {name}: {risk}" for risk in worst if f"{risk}:" in done.stdout)
    print(
        f"cloudsplaining: {checked} policies, none of which raises rights, exposes resources or gives credentials away"
    )


def _documents(template: dict[str, object]) -> Iterator[tuple[str, object]]:
    resources = template["Resources"]
    assert isinstance(resources, dict)
    for name, one in resources.items():
        if one["Type"].startswith("AWS::IAM::"):
            inline = [each["PolicyDocument"] for each in one["Properties"].get("Policies", ())]
            for number, document in enumerate([*inline, one["Properties"].get("PolicyDocument")]):
                if document is not None:
                    yield f"{name}-{number}", _plain(document)


def _plain(document: object) -> object:
    """Put a name where a function would make one, for a tool that knows policies and no templates."""
    if isinstance(document, dict):
        functions = [key for key in document if key == "Ref" or key.startswith("Fn::")]
        return (
            "arn:aws:x:eu-central-1:123456789012:thing"
            if functions
            else {key: _plain(one) for key, one in document.items()}
        )
    return [_plain(one) for one in document] if isinstance(document, list) else document


def _tool(environment: str, command: str) -> str | None:
    path = TOOLS / environment / "bin" / command
    if path.exists():
        return str(path)
    print(f"{command}: SKIPPED: it is not installed; `make templates` does that where the package index is reached")
    return None


if __name__ == "__main__":
    main()
