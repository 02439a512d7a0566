"""Guardrails for Amazon Bedrock, applied to any model's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.adapters.aws_clients import LazyClient, aws_errors
from chalicelib.domain.releases import GuardrailSettings
from chalicelib.ports.guardrails import Ruling

WHAT = "The guardrail"
INTERVENED = "GUARDRAIL_INTERVENED"


class BedrockGuardrails:
    """See `Guardrail`; one call of `ApplyGuardrail` for each answer."""

    def __init__(self, client: Any = None) -> None:
        self._bedrock = client or LazyClient("bedrock-runtime")

    async def judge(self, text: str, settings: GuardrailSettings) -> Ruling:
        """See `Guardrail.judge`."""
        return await asyncio.to_thread(self._judge, text, settings)

    def close(self) -> None:
        """Let go of the connections."""
        self._bedrock.close()

    def _judge(self, text: str, settings: GuardrailSettings) -> Ruling:
        with aws_errors(WHAT):
            found = self._bedrock.apply_guardrail(
                guardrailIdentifier=settings.id,
                guardrailVersion=settings.version,
                source="OUTPUT",
                content=[{"text": {"text": text}}],
            )
        if found["action"] != INTERVENED:
            return Ruling(text)
        applied = [rule for assessment in found["assessments"] for rule in _applied(assessment)]
        said = "".join(output["text"] for output in found["outputs"])
        return Ruling(
            said,
            # One that intervened without saying how is taken at its word, which is not the answer's.
            blocked=not applied or any(action == "BLOCKED" for action, _ in applied),
            reasons=sorted({f"{rule} ({action.lower()})" for action, rule in applied}),
        )


def _applied(assessment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give action and name of every rule that did something; what it matched is not looked at."""
    for policy, found in assessment.items():
        for rule in _rules(found):
            if rule["action"] in {"BLOCKED", "ANONYMIZED"}:
                yield rule["action"], f"{policy}: {rule.get('name') or rule.get('type') or 'custom'}"


def _rules(found: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(found, list):
        for one in found:
            yield from _rules(one)
    elif isinstance(found, dict):
        if isinstance(found.get("action"), str):
            yield found
        for inner in found.values():
            yield from _rules(inner)
