"""The only maker of AWS clients, and what their failures mean to a caller of a store."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

from chalicelib.errors import DependencyError, InvalidRequest, Misconfigured, RagError, Unavailable

# Eight attempts of the standard mode answered every call of a store that failed three times out of five. The adaptive
# mode slows a whole client down for one throttled key.
CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    connect_timeout=2,
    read_timeout=10,
    max_pool_connections=64,
    user_agent_extra="ragstone",
)
# With another style, a URL for the browser names the global address, which sends a PUT away that cannot be followed.
_OF_SERVICE = {"s3": Config(signature_version="s3v4", s3={"addressing_style": "virtual"})}

ATTEMPTS = 10
"""How often a call is made that meets another, or is carried out by half."""
FIRST_WAIT_S = 0.02

_DENIED = frozenset(
    {
        "403",  # what an answer without a body has in a code's place
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_MISSING = frozenset(
    {"ResourceNotFoundException", "NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
)
_REFUSED = frozenset({"ValidationException", "ValidationError", "InvalidParameterValue"})


def client(service: str, session: boto3.session.Session | None = None) -> Any:
    """
    Give a client of *service*, for use by any number of threads.

    Without a *session*, region, credentials and endpoints come from where boto3 looks for them: a task's role, or the
    environment (`AWS_ENDPOINT_URL_DYNAMODB` for another address).
    """
    return (session or boto3.session.Session()).client(service, config=config(service))


def config(service: str) -> Config:
    """Say how a client of *service* behaves."""
    return CONFIG.merge(_OF_SERVICE[service]) if service in _OF_SERVICE else CONFIG


class LazyClient:
    """A client of *service* that is made when it is first used: making one takes longer than most calls."""

    def __init__(self, service: str, session: boto3.session.Session | None = None) -> None:
        self._service = service
        self._session = session
        self._making = Lock()
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._making:
            if self._made is None:
                self._made = client(self._service, self._session)
        return getattr(self._made, name)

    def close(self) -> None:
        """Let go of its connections, if there are any."""
        if self._made is not None:
            self._made.close()


def back_off(attempt: int) -> None:
    """Wait before the next attempt: longer each time, and each caller another while."""
    time.sleep(random.uniform(0, FIRST_WAIT_S * 2 ** min(attempt, 6)))  # noqa: S311  no secret


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """
    Turn what boto3 raises in the block into an error of ours; *what* names the store in the message.

    Only error codes are passed on: messages of AWS repeat keys, names and values of the request.
    """
    try:
        yield
    except ClientError as error:
        raise error_of(what, error_code(error)) from None
    except (HTTPClientError, NoConnection, IncompleteReadError) as error:
        raise Unavailable(f"{what} does not answer ({type(error).__name__}); try again.") from None
    except BotoCoreError as error:
        raise _misconfigured(what, type(error).__name__) from None


def error_code(error: ClientError) -> str:
    """Give the code of an answer that says no; that of an empty answer is its status."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def was_retried(response: Any) -> bool:
    """Say whether boto3 sent the request again, so that it may have been carried out twice."""
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def error_of(what: str, code: str) -> RagError:
    """Give the error that says *code*."""
    if code in _DENIED:
        return _misconfigured(what, code)
    if code in _EXPIRED:
        return Unavailable(f"The platform's credentials for {what} have expired ({code}); try again.", reason=code)
    if code in _MISSING:
        return _misconfigured(what, code)
    if code in _REFUSED:
        return InvalidRequest(f"{what} does not take this request ({code}).")
    return Unavailable(f"{what} cannot answer now ({code}); try again.", reason=code)


def _misconfigured(what: str, reason: str) -> DependencyError:
    return Misconfigured(
        f"{what} cannot be used as the platform is configured ({reason}); an administrator must see to it.",
        reason=reason,
    )
