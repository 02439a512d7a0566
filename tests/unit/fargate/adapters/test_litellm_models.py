"""What can be said of LiteLLM's adapter without importing LiteLLM, which takes seconds."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from chalicelib.ports.model_providers import FailureKind, ProviderFailure
from fargate.adapters.litellm_models import REFUSED_VERSIONS, _tried

ROOT = Path(__file__).parents[4]
SECRET = "sk-canary"


def raised(name: str, *parents: str, status: int | None = None, headers: dict[str, str] | None = None) -> Exception:
    """Make an error as LiteLLM raises it: a class of that name, with the provider's words in it."""
    kind: type[Exception] = Exception
    for each in (*reversed(parents), name):
        kind = type(each, (kind,), {})
    error: Any = kind(f"the provider repeats {SECRET}")
    error.status_code, error.litellm_response_headers = status, headers
    checked: Exception = error
    return checked


def failure(error: Exception) -> ProviderFailure:
    async def work() -> None:
        raise error

    with pytest.raises(ProviderFailure) as told:
        asyncio.run(_tried(work()))
    return told.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (raised("AuthenticationError", status=401), FailureKind.CREDENTIALS),
        (raised("ContentPolicyViolationError", "BadRequestError", status=400), FailureKind.CONTENT_POLICY),
        (raised("ContextWindowExceededError", "BadRequestError", status=400), FailureKind.CONTEXT_LENGTH),
        (raised("UnsupportedParamsError", "BadRequestError", status=400), FailureKind.INVALID_REQUEST),
        (raised("RateLimitError", status=429), FailureKind.RATE_LIMITED),
        (raised("InternalServerError", status=500), FailureKind.SERVER_ERROR),
        (raised("MidStreamFallbackError", "ServiceUnavailableError", status=503), FailureKind.BROKEN_OFF),
        (raised("APIConnectionError", status=500), FailureKind.BAD_ANSWER),
        (raised("ValueError"), FailureKind.BAD_ANSWER),
    ],
)
def test_errors_become_failures_by_their_class(error: Exception, kind: FailureKind) -> None:
    """The most derived one that is known."""
    assert failure(error).kind is kind


def test_a_connection_that_was_not_made_is_unavailable() -> None:
    """Whatever LiteLLM makes of it on top."""
    error = raised("InternalServerError", status=500)
    error.__cause__ = raised("ConnectError")
    assert failure(error).kind is FailureKind.UNAVAILABLE


def test_retry_after_is_read() -> None:
    """From the provider's headers."""
    error = raised("RateLimitError", status=429, headers={"retry-after": "7"})
    assert (failure(error).retry_after_s, failure(error).upstream_status) == (7.0, 429)


def test_nothing_of_the_error_stays_with_the_failure() -> None:
    """Not as its cause, not as its context: either would put the provider's words into a traceback."""
    told = failure(raised("AuthenticationError", status=401))
    assert (told.__cause__, told.__context__) == (None, None)
    assert SECRET not in repr(vars(told)) + str(told)


def test_the_pinned_release_is_none_of_the_malicious_ones() -> None:
    """It is named exactly, with hashes, in both locks."""
    pinned = "1.106.2"
    assert pinned not in REFUSED_VERSIONS
    assert metadata.version("litellm") == pinned
    assert f'"litellm=={pinned}"' in (ROOT / "pyproject.toml").read_text()
    for lock in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / lock).read_text()
        assert re.search(rf"^litellm=={re.escape(pinned)} \\\n +--hash=sha256:", text, re.MULTILINE)


def test_nothing_imports_litellm_until_it_is_needed() -> None:
    """Not even the composition root: it takes seconds and 170 MB."""
    statement = "import sys, fargate.bootstrap; print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", statement], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
