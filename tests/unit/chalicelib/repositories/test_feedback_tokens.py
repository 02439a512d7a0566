"""Feedback tokens: keys can be changed while tokens are out, and no other token is taken for one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from pydantic import SecretBytes

from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import RunId, TenantId
from chalicelib.errors import Unauthenticated
from chalicelib.repositories.feedback_tokens import (
    KEY,
    PREVIOUS_KEY,
    REREAD_AFTER_S,
    REREAD_UNKNOWN_AFTER_S,
    FeedbackTokens,
)
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))


class Place:
    """Where keys are kept, and processes that make and read tokens with them."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.folder = folder
        self.secrets = FileSecrets(folder)

    def process(self) -> FeedbackTokens:
        return FeedbackTokens(self.secrets, self.clock)

    def token(self, by: FeedbackTokens) -> str:
        return by.issue(ACME, RunId("run_1"), "ada", ["https://chat.example"], timedelta(hours=1))[0]

    def replace(self, *, keep_previous: bool) -> None:
        """Put another key in the place of the one in use."""
        previous = (self.folder / KEY).read_bytes()
        (self.folder / KEY).unlink()
        (self.folder / PREVIOUS_KEY).unlink(missing_ok=True)
        self.secrets.create(KEY, SecretBytes(b"n" * 32))
        if keep_previous:
            self.secrets.create(PREVIOUS_KEY, SecretBytes(previous))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_token_says_what_it_opens(place: Place) -> None:
    """Whichever process made it: the first one makes the key, and all have the same."""
    scope = place.process().read(place.token(place.process()))
    assert (scope.tenant, scope.run_id, scope.subject) == (ACME, "run_1", "ada")
    assert scope.origins == ("https://chat.example",)
    assert scope.expires_at == place.clock.now() + timedelta(hours=1)


def test_two_tokens_for_the_same_are_told_apart(place: Place) -> None:
    """Each has its own count of writes."""
    process = place.process()
    first, second = (process.read(place.token(process)).token_id for _ in range(2))
    assert first != second


def test_tokens_of_the_key_before_are_good_until_they_expire(place: Place) -> None:
    """And those of the new one at once, in processes that have not read it yet."""
    old, reader = place.process(), place.process()
    before = place.token(old)
    reader.read(before)
    place.replace(keep_previous=True)
    after = place.token(place.process())
    place.clock.advance(REREAD_UNKNOWN_AFTER_S)
    assert reader.read(after).run_id == "run_1"
    assert reader.read(before).run_id == "run_1"
    place.clock.advance(REREAD_AFTER_S)
    head = jwt.get_unverified_header
    assert head(place.token(old))["kid"] == head(after)["kid"] != head(before)["kid"]


def test_a_key_that_was_taken_away_opens_nothing_any_more(place: Place) -> None:
    """At the latest when keys are read anew."""
    reader = place.process()
    before = place.token(reader)
    place.replace(keep_previous=False)
    place.clock.advance(REREAD_AFTER_S)
    with pytest.raises(Unauthenticated):
        reader.read(before)


@pytest.mark.parametrize("missing", ["exp", "jti", "tenant", "run", "sub", "origins", "aud"])
def test_a_token_with_something_missing_is_none(place: Place, missing: str) -> None:
    """Even when it bears the right signature; so does one that was made for something else."""
    process = place.process()
    token = place.token(process)
    key = (place.folder / KEY).read_bytes()
    claims = jwt.decode(token, options={"verify_signature": False})
    headers = {"kid": jwt.get_unverified_header(token)["kid"]}
    del claims[missing]
    with pytest.raises(Unauthenticated):
        process.read(jwt.encode(claims, key, algorithm="HS256", headers=headers))
    with pytest.raises(Unauthenticated):
        process.read(jwt.encode({**claims, "aud": "elsewhere"}, key, algorithm="HS256", headers=headers))
