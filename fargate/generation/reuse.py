"""What must be the same for an answer to be given again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict

from chalicelib.contracts.asking import QueryRequest
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.runs import Passage


def fingerprint(
    principal: Principal,
    request: QueryRequest,
    release_id: ReleaseId,
    passages: Sequence[Passage],
    link_hosts: Collection[str],
) -> str:
    """
    Name everything that an answer is made from, and whoever may have it (SHA-256, in hexadecimal).

    The passages were found for *principal* a moment ago: a document that changed, was deleted or may no longer be read
    makes another fingerprint. Groups, roles and reach are in it so that, whatever else fails, people with different
    permissions never share an answer.
    """
    parts = {
        "tenant": principal.tenant.tenant_id,
        "groups": sorted(principal.groups),
        "roles": sorted(principal.roles),
        "indexes": None if principal.indexes is None else sorted(principal.indexes),
        "release": release_id,  # index, generation, recipe, retrieval, model and prompt are in its name
        "question": request.question,
        "conversation": [turn.model_dump() for turn in request.conversation],
        "filter": request.filter,
        "link_hosts": sorted(link_hosts),
        "passages": [_told(one) for one in passages],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _told(passage: Passage) -> dict[str, object]:
    """Give all of *passage* that an answer may be made from or cite; scores change with what else there is."""
    told = asdict(passage)
    del told["score"], told["reasons"]
    return told
