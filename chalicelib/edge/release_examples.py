"""Examples of what releases and aliases are asked and answered with."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.indexes import ComponentModel
from chalicelib.contracts.release_settings import AnswerDraft, ClaimsModel, RetrievalDraft
from chalicelib.contracts.releases import (
    AliasCreate,
    AliasPatch,
    AliasView,
    DifferenceView,
    Promotion,
    ReleaseCreate,
    ReleaseDiff,
    ReleaseView,
    Rollback,
)
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import (
    LIVE,
    Alias,
    ClaimPolicy,
    ClaimSettings,
    GenerationSettings,
    Release,
    ReleaseConfig,
    ReleaseStatus,
    RetrievalSettings,
)

_AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
_BY = "key_0kf9w1a5r8e2t7y4q6w9b3n1m0"
_RELEASE = Release(
    ReleaseConfig(
        "handbook",
        1,
        Recipe(),
        RetrievalSettings(reranker=Component("local")),
        GenerationSettings(model="chat", claims=ClaimSettings(ClaimPolicy.DROP)),
    ),
    ReleaseStatus.DRAFT,
    _AT,
    _BY,
    {"why": "Reranked, and nothing said that is not borne out"},
)
_BEFORE = ReleaseId("rel_" + "3f" * 20)
_ALIAS = AliasView.model_validate(Alias("staging", _RELEASE.release_id, _AT, _BY, "For the pilot group", None, 1))
_LIVE = AliasView.model_validate(Alias(LIVE, _RELEASE.release_id, _AT, _BY, "Tried by hand", 3, 4))

RELEASE_EXAMPLES: list[BaseModel] = [
    ReleaseCreate(
        based_on=LIVE,
        retrieval=RetrievalDraft(reranker=ComponentModel(name="local")),
        answer=AnswerDraft(model="chat", claims=ClaimsModel(policy=ClaimPolicy.DROP)),
        notes=dict(_RELEASE.notes),
    ),
    ReleaseView.of(_RELEASE),
    ListOf[ReleaseView](items=[ReleaseView.of(_RELEASE)]),
    ReleaseDiff(
        before=_BEFORE,
        after=_RELEASE.release_id,
        differences=[DifferenceView(setting="retrieval.reranker.name", before="none", after="local")],
    ),
    Promotion(override_reason="Tried by hand"),
    Rollback(reason="It forgets the appendix"),
    AliasCreate(name="staging", release=_RELEASE.release_id, reason="For the pilot group"),
    AliasPatch(release=LIVE, reason="The pilot is over"),
    _LIVE,
    ListOf[AliasView](items=[_LIVE, _ALIAS]),
]
