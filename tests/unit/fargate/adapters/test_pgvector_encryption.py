"""Connections to PostgreSQL over TLS: who is believed, and who is let in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from chalicelib.errors import ConfigurationError, Misconfigured, Unavailable
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec
from fargate.adapters.pgvector_encryption import RDS_ROOTS
from fargate.adapters.pgvector_vectors import PgVector
from tests.fakes.postgres import Postgres
from tests.fakes.postgres_tls import Authority, authority, encrypted

INDEX = VectorIndexName("acme.handbook.g1")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority that vouches for the server."""
    return authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def port(postgres: Postgres, trusted: Authority) -> Iterator[int]:
    """Serve PostgreSQL as `localhost`."""
    with encrypted(postgres, trusted.context("localhost")) as number:
        yield number


def address(port: int, mode: str, roots: Path, host: str = "localhost", user: str = "ragstone") -> str:
    return f"postgresql://{user}@{host}:{port}/postgres?sslmode={mode}&sslrootcert={roots}"


def test_a_server_that_is_who_it_should_be_is_used(postgres: Postgres, port: int, trusted: Authority) -> None:
    """All goes through TLS."""
    with postgres.schema() as schema, closing(PgVector(address(port, "verify-full", trusted.roots), schema)) as store:
        store.create(INDEX, VectorIndexSpec(2))
        assert store.indexes() == [INDEX]


def test_a_server_that_nobody_trusted_vouches_for_is_not_talked_to(port: int, tmp_path: Path) -> None:
    """Another authority's word counts for nothing, and only a person can mend that."""
    other = authority(tmp_path / "other")
    for mode in ("verify-ca", "verify-full"):
        with (
            closing(PgVector(address(port, mode, other.roots))) as store,
            pytest.raises(Misconfigured, match="trusted"),
        ):
            store.indexes()


def test_rds_roots_vouch_for_no_server_of_ours(port: int) -> None:
    """`sslrootcert=rds` trusts Amazon's authorities for databases, and none beside."""
    url = f"postgresql://ragstone@localhost:{port}/postgres?sslmode=verify-full&sslrootcert=rds"
    with closing(PgVector(url)) as store, pytest.raises(Misconfigured, match="trusted"):
        store.indexes()


def test_only_verify_full_asks_whether_the_name_is_right(postgres: Postgres, port: int, trusted: Authority) -> None:
    """The certificate is for `localhost`, not for its number."""
    with postgres.schema() as schema:
        there = address(port, "verify-ca", trusted.roots, "127.0.0.1")
        with closing(PgVector(there, schema)) as store:
            assert store.indexes() == []
        elsewhere = address(port, "verify-full", trusted.roots, "127.0.0.1")
        with closing(PgVector(elsewhere, schema)) as store, pytest.raises(Misconfigured, match="trusted"):
            store.indexes()


def test_encryption_that_the_server_does_not_have_is_not_done_without(postgres: Postgres) -> None:
    """Whoever is in between could say that there is none."""
    with encrypted(postgres, None) as port:
        url = f"postgresql://ragstone@localhost:{port}/postgres?sslmode=require"
        with closing(PgVector(url)) as store, pytest.raises(Unavailable):
            store.indexes()


@pytest.mark.parametrize("query", ["sslmode=prefer", "sslmode=verify_full", "sslmode=verify-full&sslrootcert=/none"])
def test_a_mode_or_a_file_that_there_is_not_is_refused_at_the_start(query: str) -> None:
    """A misspelt mode would not verify anything."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_POSTGRES_URL: has an ssl"):
        PgVector(f"postgresql://ragstone@db.example/name?{query}")


def test_the_roots_of_rds_are_authorities_of_their_regions() -> None:
    """Each signs itself, as a root does, and is for the region that stands above it."""
    parts = re.findall(r"# region: (\S+)\n(-----BEGIN.*?-----END CERTIFICATE-----)", RDS_ROOTS.read_text(), re.DOTALL)
    assert len(parts) == RDS_ROOTS.read_text().count("BEGIN CERTIFICATE") > 20
    for region, text in parts:
        root = x509.load_pem_x509_certificate(text.encode())
        (name,) = root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert name.value == f"Amazon RDS {region} Root CA RSA2048 G1"
        root.verify_directly_issued_by(root)


def test_a_password_that_was_replaced_is_asked_for_anew(postgres: Postgres, port: int, trusted: Authority) -> None:
    """What is open stays; a new connection with the old one is worth a retry, and the retry takes the new one."""
    known = ["first"]
    url = address(port, "verify-full", trusted.roots, user="guarded")
    with postgres.schema() as schema, closing(PgVector(url, schema, password=lambda: known[-1])) as store:
        postgres.set_password("guarded", "first")
        store.create(INDEX, VectorIndexSpec(2))
        postgres.set_password("guarded", "second")
        assert store.indexes() == [INDEX]
        postgres.hang_up("guarded")
        with pytest.raises(Unavailable, match="28P01") as raised:
            store.indexes()
        assert raised.value.retryable
        known.append("second")
        assert store.indexes() == [INDEX]
