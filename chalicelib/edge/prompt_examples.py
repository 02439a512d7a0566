"""Examples of what prompts are asked and answered with."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from chalicelib.contracts.asking import PassageView
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.prompts import (
    PromptCreate,
    PromptDiff,
    PromptMessage,
    PromptPatch,
    PromptPreview,
    PromptPreviewRequest,
    PromptVersionCreate,
    PromptVersionView,
    PromptView,
    SentMessages,
)
from chalicelib.domain.prompts import Prompt, PromptVersion

_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
_BY = "key_0kf9w1a5r8e2t7y4q6w9b3n1m0"
_SYSTEM = "You help the staff of a hospital. Answer in at most three sentences."
_USER = "{{passages}}\n\nQuestion: {{question}}"
_QUESTION = "How many days of leave do I have?"
_VERSION = PromptVersionView.model_validate(
    PromptVersion("helpdesk", 2, _SYSTEM, _USER, _AT, _BY, "Shorter, as the wards asked")
)
_PROMPT = PromptView.model_validate(
    Prompt("helpdesk", "For the intranet's chat", 2, _AT, _AT, _BY, {"production": 2, "before": 1}, 3)
)
_PASSAGE = PassageView(
    chunk_id="chk_0kf9w3m2bq6f2a8h4w1t9k7m5p_00000",
    document_id="doc_0kf9w3m2bq7z4t8x1c6v5n0r2h",
    external_id="wiki/leave",
    name="leave.md",
    version=1,
    page=None,
    heading_path=["Leave"],
    text="Everybody has 30 days of leave.",
    start=9,
    end=40,
    score=0.71,
    metadata={"team": "hr"},
)
_MESSAGES = [
    PromptMessage(role="system", content=f"You answer questions from numbered passages … \n\n{_SYSTEM}"),
    PromptMessage(
        role="user",
        content="<<9f86d081884c7d65 passage 1>>\nEverybody has 30 days of leave.\n<<9f86d081884c7d65 end>>\n\n"
        f"Question: {_QUESTION}",
    ),
]

PROMPT_EXAMPLES: list[BaseModel] = [
    PromptCreate(name="helpdesk", system=_SYSTEM, user=_USER, description="For the intranet's chat"),
    PromptVersionCreate(system=_SYSTEM, user=_USER, note="Shorter, as the wards asked"),
    _VERSION,
    ListOf[PromptVersionView](items=[_VERSION]),
    _PROMPT,
    ListOf[PromptView](items=[_PROMPT]),
    PromptPatch(labels={"production": 2, "trial": None}),
    PromptDiff(
        before="helpdesk@1",
        after="helpdesk@2",
        system="--- helpdesk@1\n+++ helpdesk@2\n@@ -1 +1 @@\n-Answer at length.\n+Answer in at most three sentences.",
        user="",
    ),
    PromptPreviewRequest(question=_QUESTION, index="handbook", prompt="helpdesk:production"),
    PromptPreview(
        release="rel_2f8c1d5e9b7a4c3e6f0d1b2a9c8e7d6f5a4b3c2d",
        prompt="helpdesk@2",
        messages=_MESSAGES,
        tokens=290,
        left_out=["3 of 5 passages were more than the model is given."],
        passages=[_PASSAGE],
    ),
    SentMessages(run_id="run_0kf9w4t6mh2x8b5c1v7z9q3n4r", prompt="helpdesk@2", messages=_MESSAGES, exact=True),
]
