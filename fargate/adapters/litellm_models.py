"""Every other provider, translated by LiteLLM's SDK: the only module that imports it, and when it is first needed."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Awaitable, Mapping
from importlib import metadata
from typing import Any

from chalicelib.errors import ConfigurationError
from chalicelib.ports.model_providers import FailureKind, ProviderCall, ProviderFailure
from fargate.adapters.provider_refusals import seconds

REFUSED_VERSIONS = frozenset({"1.82.7", "1.82.8", "1.107.0"})
"""Malicious releases."""

_SILENT = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_QUIET = ("openai", "httpx", "httpcore")
_ASK_WHAT_FOR = frozenset({"cohere", "bedrock", "voyage"})
_PURPOSES = {"query": "search_query", "document": "search_document"}

# By class name, most derived first: a class of LiteLLM's cannot be named before it is imported.
_BY_CLASS = {
    "ContentPolicyViolationError": FailureKind.CONTENT_POLICY,
    "ContextWindowExceededError": FailureKind.CONTEXT_LENGTH,
    "PaymentRequiredError": FailureKind.QUOTA,
    "LiteLLMUnknownProvider": FailureKind.UNKNOWN_MODEL,
    "AuthenticationError": FailureKind.CREDENTIALS,
    "PermissionDeniedError": FailureKind.CREDENTIALS,
    "NotFoundError": FailureKind.UNKNOWN_MODEL,
    "RateLimitError": FailureKind.RATE_LIMITED,
    "Timeout": FailureKind.TIMEOUT,
    "BadRequestError": FailureKind.INVALID_REQUEST,
    "UnprocessableEntityError": FailureKind.INVALID_REQUEST,
    "MidStreamFallbackError": FailureKind.BROKEN_OFF,
    "ServiceUnavailableError": FailureKind.UNAVAILABLE,
    "APIResponseValidationError": FailureKind.BAD_ANSWER,
}


class LiteLlmProvider:
    """
    See `ModelProvider`. To `prepare` it takes some seconds, on a thread of its own, and 170 MB.

    What LiteLLM would do beside translating (retries, logs, callbacks, telemetry, fetching prices) is switched off.
    """

    async def prepare(self) -> None:
        """See `ModelProvider.prepare`."""
        await _loaded()

    async def chat(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.chat`."""
        litellm = await _loaded()
        return _plain(await _tried(litellm.acompletion(**_arguments(call))))

    async def chat_stream(self, call: ProviderCall) -> AsyncGenerator[Mapping[str, Any], None]:
        """See `ModelProvider.chat_stream`."""
        litellm = await _loaded()
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = await _tried(litellm.acompletion(**_arguments(call), **options))
        said = False
        try:
            while (chunk := await _tried(_next(chunks))) is not None:
                plain = _plain(chunk)
                said = said or _says_something(plain)
                if not said and _is_finished(plain):
                    # It ends every stream as if it were complete, also one that was no stream at all.
                    raise ProviderFailure(FailureKind.BAD_ANSWER)
                yield plain
        finally:
            await _closed(chunks)

    async def embed(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.embed`."""
        litellm = await _loaded()
        arguments = _arguments(call)
        purpose = arguments.pop("input_type", None)
        if call.access.kind in _ASK_WHAT_FOR and purpose is not None:
            arguments["input_type"] = _PURPOSES.get(purpose, purpose)
        # Vectors as numbers, which all have; they are packed where that was asked for.
        arguments["encoding_format"] = "float"
        return _plain(await _tried(litellm.aembedding(**arguments)))

    async def rerank(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.rerank`."""
        litellm = await _loaded()
        return _plain(await _tried(litellm.arerank(**_arguments(call), return_documents=False)))

    async def close(self) -> None:
        """Let the connections go, on the loop they were made on."""
        if _library is not None:
            await _library.close_litellm_async_clients()


_lock = threading.Lock()
_library: Any = None


async def _loaded() -> Any:
    """Give the module; its import takes seconds and must not hold the event loop."""
    return _library or await asyncio.to_thread(load)


def load() -> Any:
    """Import LiteLLM, once; safe from any thread."""
    global _library
    with _lock:
        _library = _library or _imported()
    return _library


def _imported() -> Any:
    """
    Import LiteLLM, and switch off what it would do beside translating.

    Its messages are whole sentences with prompts, keys and providers' words in them, so none of them is let through.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    version = metadata.version("litellm")
    if version in REFUSED_VERSIONS:
        raise ConfigurationError("litellm", f"release {version} was malicious; install the one in requirements/run.txt")
    os.environ["LITELLM_LOG"] = "ERROR"
    _silence()
    litellm: Any = importlib.import_module("litellm")
    _silence()  # the import has made handlers of its own
    _send_once()
    _keep_no_account()
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    # Pydantic's complaints about what LiteLLM makes of odd answers quote the answer.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
    # The first call imports as much again, which an answer that is made up pays for.
    litellm.completion(
        model="hosted_vllm/none", api_key="none", messages=[{"role": "user", "content": ""}], mock_response="yes"
    )
    # It leaves a million objects that stay; the garbage collector would look at them again and again.
    gc.collect()
    gc.freeze()
    return litellm


def _silence() -> None:
    for name in _SILENT:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _send_once() -> None:
    """
    Keep LiteLLM's HTTP client from sending a request again on another connection, and from following redirects.

    Each attempt is one request, which is counted, and a redirect would carry the key elsewhere.
    """
    handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
    create_client = handler.create_client

    def create_strict_client(self: Any, *arguments: Any, **options: Any) -> Any:
        self.follow_redirects = False
        return create_client(self, *arguments, **options)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise ProviderFailure(FailureKind.UNAVAILABLE)

    handler.create_client = create_strict_client
    handler.single_connection_post_request = refuse


def _keep_no_account() -> None:
    """
    Keep LiteLLM from reckoning what each call cost and noting it, which takes it as long as the call itself.

    Nobody is told of it here: the gateway has its own ledger and metrics.
    """
    utils: Any = importlib.import_module("litellm.utils")
    noting = importlib.import_module("litellm.litellm_core_utils.litellm_logging").Logging

    def nothing(*_: Any, **__: Any) -> None:
        pass

    async def nothing_either(*_: Any, **__: Any) -> None:
        pass

    utils.update_response_metadata = utils._dispatch_success_logging = nothing  # noqa: SLF001 - it has no switch
    noting.post_call = noting.success_handler = noting.failure_handler = nothing
    noting.async_success_handler = noting.async_failure_handler = nothing_either


def _arguments(call: ProviderCall) -> dict[str, Any]:
    access = call.access
    return {
        **call.body,
        **access.options,
        "model": f"{access.kind}/{call.model}",
        "api_base": access.base_url,
        "api_key": access.api_key.get_secret_value() if access.api_key else None,
        "timeout": call.timeout_s,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
    }


async def _tried(work: Awaitable[Any]) -> Any:
    """Give what *work* gives. What it raises becomes a `ProviderFailure` that has no trace of it, nor of its words."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001  it raises whatever its dozens of translators raise
        failure = _failure(error)
    raise failure


def _is_unreached(error: BaseException | None) -> bool:
    """Say whether *error* comes of a connection that was not made, or of a request that was not sent again."""
    while error is not None:
        if isinstance(error, ProviderFailure) or type(error).__name__ in {"ConnectError", "ConnectTimeout"}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _failure(error: Exception) -> ProviderFailure:
    names = [one.__name__ for one in type(error).__mro__]
    status = getattr(error, "status_code", None)
    kind = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), None)
    if _is_unreached(error):
        kind = FailureKind.UNAVAILABLE
    elif "APIConnectionError" in names:
        kind = FailureKind.BAD_ANSWER  # what it says of all that it cannot read
    if kind is None:
        kind = FailureKind.SERVER_ERROR if isinstance(status, int) else FailureKind.BAD_ANSWER
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    headers = getattr(error, "litellm_response_headers", None) or headers
    return ProviderFailure(
        kind,
        upstream_status=status if isinstance(status, int) else None,
        retry_after_s=seconds(headers.get("retry-after")),
    )


async def _next(chunks: Any) -> Any:
    return await anext(chunks, None)


async def _closed(chunks: Any) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()


def _plain(answer: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = answer.model_dump(warnings=False)
    return plain


def _says_something(chunk: Mapping[str, Any]) -> bool:
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
    return any(delta.get("content") or delta.get("tool_calls") or delta.get("reasoning_content") for delta in deltas)


def _is_finished(chunk: Mapping[str, Any]) -> bool:
    return any(choice.get("finish_reason") == "stop" for choice in chunk.get("choices") or ())
