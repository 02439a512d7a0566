"""API keys open for their own secret, until they are revoked or expire."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.credentials import ApiKey, credential, digest_of, new_secret, opens, split_credential
from chalicelib.domain.identifiers import KeyId, TenantId, new_id

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def counting(length: int) -> bytes:
    return bytes(range(length))


KEY_ID = KeyId(new_id("key", NOW, counting))
SECRET = new_secret(counting)
KEY = ApiKey(KEY_ID, TenantId("acme"), "ci", digest_of(SECRET), frozenset(), frozenset(), NOW, "ann")


def test_a_credential_comes_apart_as_it_was_put_together() -> None:
    """The key id finds the row, the secret opens it."""
    assert split_credential(credential(KEY_ID, SECRET)) == (KEY_ID, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rgs_",
        SECRET,
        f"rgs_{KEY_ID}",
        f"rgs_{KEY_ID}_short",
        f"rgs_{KEY_ID}_{SECRET}\n",
        f"x{credential(KEY_ID, SECRET)}",
    ],
)
def test_what_is_not_a_credential_is_told_at_sight(text: str) -> None:
    """No table is asked for it."""
    assert split_credential(text) is None


def test_only_the_right_secret_opens() -> None:
    """One wrong character is enough."""
    wrong = SECRET[:-1] + ("A" if SECRET[-1] != "A" else "B")
    assert opens(KEY, SECRET, NOW)
    assert not opens(KEY, wrong, NOW)


def test_a_revoked_or_expired_key_opens_nothing() -> None:
    """An expiry time is the first moment at which the key is void."""
    assert not opens(replace(KEY, revoked_at=NOW), SECRET, NOW)
    expiring = replace(KEY, expires_at=NOW + timedelta(seconds=1))
    assert opens(expiring, SECRET, NOW)
    assert not opens(expiring, SECRET, NOW + timedelta(seconds=1))


def test_secrets_do_not_repeat() -> None:
    """256 bits of chance each."""
    assert len({new_secret() for _ in range(100)}) == 100
