"""Examples of what chats are asked and answered with."""

from __future__ import annotations

from pydantic import BaseModel

from chalicelib.contracts.asking import ClaimView
from chalicelib.contracts.chat_completions import (
    COMPLETION_ID,
    DOCUMENT_URN,
    Annotation,
    ChatCompletion,
    ChatCompletionRequest,
    ChatModel,
    ChatModelRelease,
    ChatModels,
    CitedChoice,
    CitedMessage,
    FileCitation,
    Grounds,
    Message,
    UrlCitation,
)
from chalicelib.contracts.gateway import Usage
from chalicelib.domain.releases import LIVE
from chalicelib.domain.runs import Verdict

_AT = 1_795_339_800
_RUN_ID = "run_0kf9w4t6mh2x8b5c1v7z9q3n4r"
_RELEASE_ID = "rel_2f8c1d5e9b7a4c3e6f0d1b2a9c8e7d6f5a4b3c2d"
_SAID = "Everybody has 30 days of leave a year."
_CITATION = FileCitation(
    file_id="doc_0kf9w3m2bq7z4t8x1c6v5n0r2h",
    filename="leave.md",
    index=1,
    quote=_SAID,
    page=None,
    heading_path=["Leave"],
    chunk_id="chk_0kf9w3m2bq6f2a8h4w1t9k7m5p_00000",
    start=9,
    end=47,
)
_PLACE = UrlCitation(start_index=39, end_index=42, title="leave.md", url=DOCUMENT_URN + _CITATION.file_id)
_NOTE = Annotation(url_citation=_PLACE, file_citation=_CITATION)
_MESSAGE = CitedMessage(content=f"{_SAID} [1]", annotations=[_NOTE])
_GROUNDS = Grounds(
    run_id=_RUN_ID,
    release=_RELEASE_ID,
    model="local/extractive",
    abstained=False,
    claims=[ClaimView(text=_SAID, verdict=Verdict.SUPPORTED, citations=[1])],
    nearest=[],
    feedback_token=None,
    ignored=["temperature"],
)
_MODEL = ChatModel(id=LIVE, created=_AT, ragstone=ChatModelRelease(release=_RELEASE_ID))

CHAT_EXAMPLES: list[BaseModel] = [
    ChatCompletionRequest(
        model=LIVE,
        messages=[Message(role="user", content="How many days of leave do I have?")],
        temperature=0.2,
    ),
    ChatCompletion(
        id=COMPLETION_ID + _RUN_ID,
        created=_AT,
        model=_RELEASE_ID,
        choices=[CitedChoice(message=_MESSAGE)],
        usage=Usage(prompt_tokens=412, completion_tokens=12, total_tokens=424),
        ragstone=_GROUNDS,
    ),
    _MODEL,
    ChatModels(data=[_MODEL]),
]
