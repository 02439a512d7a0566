"""Errors become problems and come back as the same class."""

import pytest

from chalicelib import errors
from chalicelib.errors import (
    BadUpstream,
    ConfigurationError,
    InvalidRequest,
    NotFound,
    RagError,
    RateLimited,
    RequestError,
    from_problem,
)


@pytest.mark.parametrize("kind", [kind for kind in errors.RESPONSES if kind is not RateLimited])
def test_a_problem_is_rebuilt_as_the_class_that_was_raised(kind: type[RagError]) -> None:
    """A caller behind HTTP catches what a caller in the same process would catch."""
    raised = kind("what, and what to do", place="here")
    rebuilt = from_problem(raised.problem("1-2-3"), kind.status)
    assert type(rebuilt) is kind
    assert rebuilt.detail == "what, and what to do"
    assert rebuilt.extra == {"place": "here"}


def test_a_rate_limit_carries_when_to_come_back() -> None:
    """The time to wait survives the journey."""
    rebuilt = from_problem(RateLimited("slow down", retry_after_s=2.5).problem(), 429)
    assert isinstance(rebuilt, RateLimited)
    assert rebuilt.retry_after_s == 2.5


def test_an_unknown_code_goes_by_the_status() -> None:
    """A newer service may know codes that this client does not."""
    assert type(from_problem({"code": "brand_new"}, 404)) is NotFound
    assert type(from_problem({"code": "brand_new"}, 418)) is RequestError
    assert type(from_problem({}, 599)) is BadUpstream


def test_a_problem_says_whether_retrying_helps_only_for_faults_of_ours() -> None:
    """`retryable` belongs to 5xx."""
    assert "retryable" not in InvalidRequest("no").problem()
    assert BadUpstream("no").problem()["retryable"] is True


def test_codes_and_statuses_name_one_class_each() -> None:
    """Rebuilding is possible because no two classes share a code or a status."""
    assert len({kind.code for kind in errors.RESPONSES}) == len(errors.RESPONSES)
    assert len({kind.status for kind in errors.RESPONSES}) == len(errors.RESPONSES)


def test_a_configuration_error_names_the_variable() -> None:
    """Whoever starts the platform sees which variable to change."""
    assert str(ConfigurationError("RAGSTONE_PORT", "is taken")) == "RAGSTONE_PORT: is taken"
