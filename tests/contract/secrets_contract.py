"""What every `Secrets` must do; a new adapter is a subclass with a fixture."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretBytes

from chalicelib.errors import InvalidRequest
from chalicelib.ports.secrets import Secrets


class SecretsContract:
    """Subclass, and give the fixture `secrets` (empty at first)."""

    @pytest.fixture
    def secrets(self) -> Secrets:
        """Give a store without secrets."""
        raise NotImplementedError

    def test_a_missing_secret_is_none(self, secrets: Secrets) -> None:
        """A name that nobody created gives None."""
        assert secrets.get("signing-key") is None

    def test_a_created_secret_is_given_back(self, secrets: Secrets) -> None:
        """All bytes survive."""
        value = SecretBytes(bytes(range(256)))

        assert secrets.create("signing-key", value) == value
        assert secrets.get("signing-key") == value
        assert secrets.get("other") is None

    def test_a_secret_is_created_once(self, secrets: Secrets) -> None:
        """Who comes second gets what stands there, and changes nothing."""
        first = secrets.create("signing-key", SecretBytes(b"first"))

        assert secrets.create("signing-key", SecretBytes(b"second")) == first
        assert secrets.get("signing-key") == first

    def test_all_creators_get_the_same(self, secrets: Secrets) -> None:
        """Threads that create the same name at once all get the one value that was kept."""
        start = threading.Barrier(6)

        def create(number: int) -> bytes:
            start.wait()
            return secrets.create("signing-key", SecretBytes(b"by %d" % number)).get_secret_value()

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(create, range(6)))) == 1

    @pytest.mark.parametrize("name", ["", "A", "a_b", "a/b", "../a", ".", "a" * 65, "é", "a\n", "a\0"], ids=repr)
    def test_a_bad_name_is_refused(self, secrets: Secrets, name: str) -> None:
        """Names are 1 to 64 of a-z, 0-9 and hyphens."""
        with pytest.raises(InvalidRequest, match="name"):
            secrets.get(name)
        with pytest.raises(InvalidRequest, match="name"):
            secrets.create(name, SecretBytes(b"x"))

    @pytest.mark.parametrize("name", ["a", "0", "a-b-1", "z" * 64])
    def test_a_good_name_is_taken(self, secrets: Secrets, name: str) -> None:
        """The shortest and the longest name will do."""
        assert secrets.create(name, SecretBytes(b"x")) == secrets.get(name)
