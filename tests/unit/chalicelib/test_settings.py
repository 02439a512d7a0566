"""Settings are read once, bounded, and refuse what they do not know."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from chalicelib.errors import ConfigurationError
from chalicelib.settings import Settings, reference

STORES_ON_AWS = {
    "RAGSTONE_STORES": "aws",
    "RAGSTONE_RAW_BUCKET": "acme-raw",
    "RAGSTONE_CHUNKS_BUCKET": "acme-chunks",
    "RAGSTONE_EVALUATIONS_BUCKET": "acme-evaluations",
    "RAGSTONE_IMPORTS_BUCKET": "acme-imports",
    "RAGSTONE_INGESTION_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/acme-ingestion",
    "RAGSTONE_EVALUATION_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/acme-evaluation",
}


def test_without_variables_every_setting_has_its_default() -> None:
    """`make run` needs no environment."""
    settings = Settings.from_env({"PATH": "/bin"})
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path(".ragstone"))
    assert settings.base_url == "http://127.0.0.1:8080"


def test_variables_are_read_by_type() -> None:
    """Numbers, switches and lists are written as people write them."""
    settings = Settings.from_env(
        {
            "RAGSTONE_PORT": "9000",
            "RAGSTONE_SAMPLE": "0",
            "RAGSTONE_ALLOWED_ORIGINS": "https://a.example, https://b.example",
        }
    )
    assert (settings.port, settings.sample) == (9000, False)
    assert settings.allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAGSTONE_PORT", "0"),
        ("RAGSTONE_PORT", "http"),
        ("RAGSTONE_LOG_LEVEL", "LOUD"),
        ("RAGSTONE_TENANT", "Not A Tenant"),
        ("RAGSTONE_RETRIEVAL_URL", "retrieval:80"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(variable: str, value: str) -> None:
    """The message names the variable."""
    with pytest.raises(ConfigurationError, match=variable):
        Settings.from_env({variable: value})


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    """A typing error never passes silently."""
    with pytest.raises(ConfigurationError, match="did you mean RAGSTONE_PORT"):
        Settings.from_env({"RAGSTONE_PROT": "80"})


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        ({"RAGSTONE_STORES": "aws"}, "RAGSTONE_RAW_BUCKET"),
        ({**STORES_ON_AWS, "RAGSTONE_RAW_BUCKET": "No Bucket"}, "RAGSTONE_RAW_BUCKET"),
        ({"RAGSTONE_VECTORS": "s3vectors"}, "RAGSTONE_VECTOR_BUCKET"),
        ({"RAGSTONE_VECTORS": "pgvector"}, "RAGSTONE_POSTGRES_URL"),
    ],
)
def test_what_a_choice_needs_is_asked_for_at_the_start(choice: dict[str, str], missing: str) -> None:
    """Nobody finds out in the middle of a request."""
    with pytest.raises(ConfigurationError, match=missing):
        Settings.from_env(choice)


def test_stores_on_aws_are_chosen_by_one_variable_and_named_by_others() -> None:
    """Where search indexes are kept is a choice of its own."""
    settings = Settings.from_env(STORES_ON_AWS)
    assert (settings.stores, settings.vectors, settings.raw_bucket) == ("aws", "local", "acme-raw")


def test_settings_are_frozen() -> None:
    """Nobody changes them after the start."""
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_a_key_never_shows_in_the_settings_text() -> None:
    """Printing the settings is safe."""
    assert "rgs_hidden" not in repr(Settings.from_env({"RAGSTONE_API_KEY": "rgs_hidden"}))


def test_the_reference_lists_every_setting() -> None:
    """docs/configuration.md is made from the settings, so none is missing."""
    text = reference()
    assert all(f"`RAGSTONE_{name.upper()}`" in text for name in Settings.model_fields)
