"""Prompts, their versions and labels, and previews of what a model would be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from chalicelib.contracts.asking import Conversation, PassageView, Question
from chalicelib.contracts.common import Filter, Identifier, IndexName, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.queries import QueryModel
from chalicelib.contracts.release_settings import PromptReference, ReleaseName
from chalicelib.domain.prompts import MAX_LABELS, NAME_PATTERN

MAX_TEMPLATE_CHARACTERS = 16_000
"""The audit log tells of two templates before and after, in one row of 400 KB."""

PromptName = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    Field(description="Lower-case letters, digits and hyphens, a letter first", examples=["helpdesk"]),
]
SystemTemplate = Annotated[
    str,
    StringConstraints(max_length=MAX_TEMPLATE_CHARACTERS),
    Field(
        description="Stands under the platform's rules; `{{index}}` and `{{date}}` are replaced",
        examples=["You help the staff of a hospital. Answer in at most three sentences."],
    ),
]
UserTemplate = Annotated[
    str,
    StringConstraints(max_length=MAX_TEMPLATE_CHARACTERS),
    Field(
        description="The message that asks: `{{passages}}` and `{{question}}` once each, `{{index}}` and `{{date}}`",
        examples=["{{passages}}\n\nQuestion: {{question}}"],
    ),
]
VersionNote = Annotated[str, StringConstraints(max_length=1_000), Field(description="Why it was made")]
Description = Annotated[str, StringConstraints(max_length=1_000)]


class PromptVersionCreate(RequestModel):
    """A new version; the latest may not say the same."""

    system: SystemTemplate
    user: UserTemplate
    note: VersionNote = ""


class PromptCreate(PromptVersionCreate):
    """A new prompt with its first version."""

    name: PromptName
    description: Description = ""


class PromptPatch(RequestModel):
    """What is to change; a label goes to a version, or with null away."""

    description: Description | None = None
    labels: dict[PromptName, Annotated[int, Field(ge=1)] | None] = Field(default_factory=dict, max_length=MAX_LABELS)


class PromptView(ResponseModel):
    """A prompt; *revision* counts its changes."""

    name: str
    description: str
    latest: int
    labels: dict[str, int]
    created_at: Timestamp
    updated_at: Timestamp
    updated_by: str
    revision: int = Field(validation_alias="version")


class PromptVersionView(ResponseModel):
    """A version, which never changes; *reference* is what releases keep."""

    name: str
    version: int = Field(validation_alias="number")
    reference: str
    system: str
    user: str
    note: str
    created_at: Timestamp
    created_by: str


class PromptDiffQuery(QueryModel):
    """Two versions of a prompt, by number or label."""

    before: Identifier | None = Field(None, description="Left out: the version before the other")
    after: Identifier | None = Field(None, description="Left out: the latest")


class PromptDiff(ResponseModel):
    """What changed, in unified form; an empty text where nothing did."""

    before: str
    after: str
    system: str
    user: str


class PromptPreviewRequest(RequestModel):
    """A question, and the prompt to try: one there is, or two templates. Without either, the release's own."""

    question: Question
    index: IndexName | None = None
    release: ReleaseName | None = None
    conversation: Conversation = Field(default_factory=list)
    filter: Filter | None = None
    prompt: PromptReference | None = None
    system: SystemTemplate | None = None
    user: UserTemplate | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> PromptPreviewRequest:
        if (self.system is None) is not (self.user is None):
            raise ValueError("give both templates, system and user, or neither")
        if self.prompt is not None and self.system is not None:
            raise ValueError("give a prompt or templates, not both")
        return self


class PromptMessage(ResponseModel):
    """A message as a model would get it."""

    role: Literal["system", "user", "assistant"]
    content: str


class PromptPreview(ResponseModel):
    """What a model would be told; no model was asked, and no run is kept."""

    release: Identifier
    prompt: str | None = Field(description="The version, or null for the built-in prompt and for templates")
    messages: list[PromptMessage]
    tokens: int = Field(description="By a cautious estimate")
    left_out: list[str]
    passages: list[PassageView]


class SentRequest(RequestModel):
    """What one service asks another for: the messages that a run's model was sent."""

    run_id: Identifier
    release: Identifier
    question: Question
    conversation: Conversation
    passages: list[PassageView]
    given: dict[Annotated[int, Field(strict=False)], Annotated[int, Field(ge=0)]]
    sha256: str
    asked_at: Timestamp = Field(strict=False)

    @model_validator(mode="after")
    def _there(self) -> SentRequest:
        if any(not 1 <= number <= len(self.passages) for number in self.given):
            raise ValueError("a passage was given that is not there")
        return self


class SentMessages(ResponseModel):
    """
    The messages that a run's model was sent, put together again from what the run recorded.

    *exact* says that they are the same to the letter; they are not where a long run kept no text of some passages.
    """

    run_id: Identifier
    prompt: str | None = Field(description="The version, or null for the built-in prompt")
    messages: list[PromptMessage]
    exact: bool
