"""The API as OpenAI's clients know it: releases as models, answers as completions."""

from __future__ import annotations

from chalicelib.contracts.chat_completions import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatModel,
    ChatModelRelease,
    ChatModels,
)
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission
from chalicelib.domain.releases import LIVE, Alias
from chalicelib.edge.aliases import is_reached
from chalicelib.edge.operations import Call, Resource
from chalicelib.edge.releases import reached
from chalicelib.errors import BudgetExceeded, NotFound, Unavailable

chat = Resource("chat", "Answers as OpenAI's API has them")


@chat.post(
    "/chat/completions",
    permission=Permission.ASK,
    body=ChatCompletionRequest,
    returns=ChatCompletion,
    raises=(NotFound, BudgetExceeded),
    events=(ChatCompletionChunk,),
    summary="Answer a chat",
)
def create_chat_completion(_call: Call[ChatCompletionRequest]) -> ChatCompletion:
    """
    The last message is the question, those before it the conversation; `model` is a release or an alias.

    With `stream`, server-sent events: chunks, then `[DONE]`; or, after the first word, one `{"error": …}`. Errors have
    the member `error` of OpenAI's API beside those of a problem.
    """
    # See `asking.query_stream`.
    raise Unavailable("The generation service answers chats, but this gateway does not lead to it; use POST /query.")


@chat.get("/models", permission=Permission.ASK, query=NoQuery, returns=ChatModels, summary="List what chats can name")
def list_models(call: Call[NoQuery]) -> ChatModels:
    """The aliases of releases on indexes within the caller's reach, `live` first; a release's id can be named too."""
    tenant = call.principal.tenant
    aliases = {one.name: one for one in call.edge.aliases.all(tenant)}
    within = [_model(one) for one in aliases.values() if is_reached(call, one)]
    if LIVE not in aliases:
        within.append(_NOTHING_LIVE)
    return ChatModels(data=sorted(within, key=lambda one: (one.id != LIVE, one.id)))


@chat.get(
    "/models/{model}",
    permission=Permission.ASK,
    query=NoQuery,
    returns=ChatModel,
    summary="Read what a chat can name",
)
def get_model(call: Call[NoQuery]) -> ChatModel:
    """An alias, or a release by its id, on an index within the caller's reach."""
    tenant, name = call.principal.tenant, call.path["model"]
    if name == LIVE and call.edge.releases.alias(tenant, LIVE) is None:
        return _NOTHING_LIVE
    release = reached(call, name)
    if name != release.release_id:
        return _model(call.edge.aliases.get(tenant, name))
    created = int(release.created_at.timestamp())
    return ChatModel(id=name, created=created, ragstone=ChatModelRelease(release=name))


_NOTHING_LIVE = ChatModel(id=LIVE, created=0, ragstone=ChatModelRelease(release=None))


def _model(alias: Alias) -> ChatModel:
    created = int(alias.updated_at.timestamp())
    return ChatModel(id=alias.name, created=created, ragstone=ChatModelRelease(release=alias.release_id))
