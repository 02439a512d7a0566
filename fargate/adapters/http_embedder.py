"""The embedding service as an embedder: what `openvino_models` is in this process, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

from chalicelib.contracts.embeddings import EmbeddingsRequest, EmbeddingsResponse
from chalicelib.contracts.identity import HEADER
from chalicelib.errors import BadUpstream, DeadlineExceeded, RagError, Unavailable, from_problem
from chalicelib.observability.spans import TRACE_HEADER, span, trace_header
from chalicelib.ports.models import EmbedderInfo, Embeddings, Purpose, TokenSpans
from fargate.adapters.embedding_groups import embed_groups, grouped
from fargate.adapters.embedding_tokenizer import refuse_unusable
from fargate.adapters.local_model import LocalModel
from fargate.adapters.minilm import MINILM

_GROUP_TEXTS = 64
_GROUP_CHARACTERS = 1_000_000  # in UTF-8 and JSON still under the service's limit of 8 MiB
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class HttpEmbedderOptions:
    """How long an answer may take; documents may have to stand in line behind those of others."""

    connect_s: float = 2.0
    query_s: float = 20.0
    document_s: float = 300.0


class HttpEmbedder:
    """
    See `Embedder`. Each purpose has its own connections, so that questions never wait for documents' answers.

    *base_url* is where the service's paths begin (``http://host:port``); *token_source* gives a fresh identity token
    for each request. *model* is the one to ask for, whose tokenizer is needed here too. Redirects are not followed,
    since they would carry the token elsewhere. `close` it in the end.
    """

    def __init__(
        self,
        base_url: str,
        token_source: Callable[[], str],
        options: HttpEmbedderOptions = HttpEmbedderOptions(),
        model: LocalModel = MINILM,
    ) -> None:
        self._url = base_url.rstrip("/") + "/embedding/v1/embeddings"
        self._token_source = token_source
        self._info = model.info
        self._tokenizer = model.tokenizer()
        self._timeouts = {
            Purpose.QUERY: urllib3.Timeout(connect=options.connect_s, read=options.query_s),
            Purpose.DOCUMENT: urllib3.Timeout(connect=options.connect_s, read=options.document_s),
        }
        retries = urllib3.Retry(connect=2, read=False, redirect=False, status=False, other=False, backoff_factor=0.05)
        self._pool = urllib3.PoolManager(maxsize=2 * _CONNECTIONS, retries=retries)
        self._threads = {purpose: ThreadPoolExecutor(_CONNECTIONS, f"embedder-{purpose}") for purpose in Purpose}

    @property
    def info(self) -> EmbedderInfo:
        """See `Embedder.info`."""
        return self._info

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`; an empty text is an `InvalidRequest`."""
        refuse_unusable(texts)
        with span("embedding.call", texts=len(texts), purpose=purpose.value):
            groups = grouped(texts, _GROUP_TEXTS, _GROUP_CHARACTERS)
            return await embed_groups(groups, lambda group: self._embed_group(group, purpose))

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        return self._tokenizer.spans(text)

    def close(self) -> None:
        """Let the connections go, after the calls under way."""
        for threads in self._threads.values():
            threads.shutdown()
        self._pool.clear()

    async def _embed_group(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        headers = {HEADER: self._token_source(), "Content-Type": "application/json"}
        if trace := trace_header():
            headers[TRACE_HEADER] = trace
        try:
            asking = self._threads[purpose].submit(self._ask, texts, purpose, headers)
        except RuntimeError as error:  # what an executor says after its shutdown
            raise Unavailable("the client of the embedding service was closed") from error
        return await asyncio.wrap_future(asking)

    def _ask(self, texts: Sequence[str], purpose: Purpose, headers: dict[str, str]) -> Embeddings:
        # Only what the model will read is sent, however long the texts are.
        request = EmbeddingsRequest(
            input=[self._tokenizer.head(text) for text in texts],
            model=self._info.name,
            encoding_format="base64",
            input_type=purpose.value,
        )
        framed = len(self._tokenizer.frames[purpose])
        tokens = [len(ids) - framed for ids in self._tokenizer.ids(request.input, purpose)]
        answer = self._post(request.model_dump_json(exclude_none=True).encode(), purpose, headers)
        return Embeddings(_vectors(answer, len(texts), self._info.dimension), tokens)

    def _post(self, body: bytes, purpose: Purpose, headers: dict[str, str]) -> bytes:
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers, timeout=self._timeouts[purpose])
        except HTTPError as error:
            raise _failure(error, self._url) from error
        if answer.status != HTTPStatus.OK:
            raise from_problem(_problem(answer.data), answer.status)
        return answer.data


def _failure(error: HTTPError, url: str) -> RagError:
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(reason, ReadTimeoutError):
        return DeadlineExceeded(f"the embedding service at {url} took too long; try again")
    return Unavailable(f"the embedding service at {url} does not answer ({type(reason).__name__}); try again")


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _vectors(body: bytes, count: int, dimension: int) -> list[bytes]:
    try:
        items = sorted(EmbeddingsResponse.model_validate_json(body).data, key=lambda item: item.index)
        vectors = [base64.b64decode(str(item.embedding), validate=True) for item in items]
    except (ValidationError, binascii.Error) as error:
        raise BadUpstream("the embedding service answered something else than embeddings") from error
    sizes = {len(vector) for vector in vectors}
    if [item.index for item in items] != list(range(count)) or sizes - {dimension * 4}:
        raise BadUpstream(f"the embedding service answered {len(vectors)} vectors of {sizes} bytes to {count} texts")
    return vectors
