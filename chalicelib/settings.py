"""Every setting of the platform: read once from the environment, bounded, and frozen."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from chalicelib.errors import ConfigurationError

PREFIX = "RAGSTONE_"


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]

# What must be set beside a choice: an adapter that finds out later would fail in the middle of a request.
_NEEDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("stores", "aws"): (
        "raw_bucket",
        "chunks_bucket",
        "evaluations_bucket",
        "imports_bucket",
        "ingestion_queue_url",
        "evaluation_queue_url",
    ),
    ("vectors", "s3vectors"): ("vector_bucket",),
    ("vectors", "pgvector"): ("postgres_url",),
}


class Settings(BaseModel):
    """What can be set; each field is the environment variable ``RAGSTONE_<NAME IN CAPITALS>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65_535, description="Port to listen on.")
    data_dir: Path = Field(Path(".ragstone"), description="Folder that keeps everything of the local platform.")
    stores: Literal["local", "aws"] = Field(
        "local",
        description="Where everything but the search indexes is kept: `local`, in the data folder, or `aws`, in "
        "DynamoDB, S3, SQS and Secrets Manager. Region and credentials come from where boto3 looks for them.",
    )
    vectors: Literal["local", "s3vectors", "pgvector"] = Field(
        "local",
        description="Where the search indexes are kept: `local`, in the data folder, `s3vectors`, or `pgvector`, in a "
        "PostgreSQL database such as Aurora.",
    )
    table_prefix: str = Field(
        "ragstone-",
        pattern=r"^[A-Za-z0-9_.-]{0,200}$",
        description="What the names of the DynamoDB tables begin with.",
    )
    raw_bucket: BucketName | None = Field(None, description="S3 bucket of the files as they were sent.")
    chunks_bucket: BucketName | None = Field(None, description="S3 bucket of the parsed texts.")
    evaluations_bucket: BucketName | None = Field(None, description="S3 bucket of the evaluations' results.")
    imports_bucket: BucketName | None = Field(
        None, description="S3 bucket whose files are taken in by batches, below `<tenant>/<index>/`."
    )
    ingestion_queue_url: Url | None = Field(
        None, description="SQS queue of documents to take in. Its redrive policy names that of its dead letters."
    )
    evaluation_queue_url: Url | None = Field(None, description="SQS queue of evaluations, likewise.")
    secrets_prefix: str = Field(
        "ragstone/",
        pattern=r"^[A-Za-z0-9/_+=.@-]{0,400}$",
        description="What the names of the secrets in Secrets Manager begin with.",
    )
    tenant_role_arn: str | None = Field(
        None,
        description="IAM role whose credentials, narrowed to one tenant, do what is done for that tenant; it may be "
        "the role that the process has. All is done by the latter if not set.",
    )
    vector_bucket: str | None = Field(
        None, pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", description="S3 vector bucket of the search indexes."
    )
    postgres_url: SecretStr | None = Field(
        None, description="PostgreSQL database of the search indexes, as `postgresql://user:password@host/name`."
    )
    postgres_iam: bool = Field(
        False,
        description="Let the process's role make the password for that database (IAM authentication of Aurora and "
        "RDS); its URL names none, and says `sslmode=verify-full`.",
    )
    sample: bool = Field(True, description="Load the sample documents on the first start.")
    tenant: str = Field(
        "local", pattern=r"^[a-z0-9][a-z0-9-]{1,18}[a-z0-9]$", description="Tenant of the bootstrap admin key."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe log line written.")
    traces: Literal["none", "local", "xray"] = Field(
        "local",
        description="Where the stages of requests are recorded: `local`, in this process's memory, the latest of them, "
        "`xray`, by the daemon that `AWS_XRAY_DAEMON_ADDRESS` names, or nowhere.",
    )
    metrics: bool = Field(False, description="Write CloudWatch embedded metrics to standard output.")
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (), description="Origins whose pages may call the API, separated by commas."
    )
    link_hosts: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (),
        description="Hosts that links and pictures in answers may lead to, separated by commas; `*.example.com` for "
        "all below one. Other addresses are written so that nothing takes them for links.",
    )
    url: Url | None = Field(None, description="Where the command line finds the API; from host and port if not set.")
    api_key: SecretStr | None = Field(
        None, description="Key the command line uses; read from `admin.key` in the data folder if not set."
    )
    ingestion_url: Url | None = Field(None, description="The ingestion service; in this process if not set.")
    embedding_url: Url | None = Field(None, description="The embedding service; in this process if not set.")
    retrieval_url: Url | None = Field(None, description="The retrieval service; in this process if not set.")
    generation_url: Url | None = Field(None, description="The generation service; in this process if not set.")
    gateway_url: Url | None = Field(None, description="The AI gateway; in this process if not set.")
    providers: SecretStr | None = Field(
        None, description="Model providers beside the built-in ones, as JSON; docs/operations.md shows how."
    )
    routes: str | None = Field(None, description="Gateway routes that every tenant has, as a JSON list.")
    gateway_concurrency: int = Field(512, ge=1, le=65_536, description="Calls of models one gateway makes at once.")
    gateway_tenant_concurrency: int = Field(256, ge=1, le=65_536, description="Those for one tenant.")
    gateway_key_concurrency: int = Field(128, ge=1, le=65_536, description="Those for one API key or user.")
    gateway_waiting: int = Field(256, ge=0, le=65_536, description="Calls of one tenant that may wait for their turn.")
    gateway_wait_s: float = Field(5.0, ge=0, le=60, description="How long one waits before it is refused.")
    gateway_tenant_rpm: int | None = Field(None, ge=1, description="Calls a minute of one tenant, at each gateway.")
    gateway_tenant_tpm: int | None = Field(None, ge=1, description="Tokens a minute of one tenant.")
    gateway_key_rpm: int | None = Field(None, ge=1, description="Calls a minute of one API key or user.")
    gateway_key_tpm: int | None = Field(None, ge=1, description="Tokens a minute of one API key or user.")
    jwt_issuer: str | None = Field(None, description="Issuer of user tokens (Cognito); the local issuer if not set.")
    jwt_audience: str = Field("ragstone", description="Client id that user tokens must be made for.")
    jwks_url: Url | None = Field(None, description="Where the issuer publishes its keys.")
    ingestion_concurrency: int = Field(8, ge=1, le=64, description="Documents one worker processes at once.")
    parser_processes: int = Field(2, ge=1, le=32, description="Files parsed at once, each in a sandbox of its own.")
    parser_memory_mb: int = Field(1_024, ge=128, le=16_384, description="Memory one file's parser may use.")
    parser_timeout_s: int = Field(120, ge=1, le=3_600, description="Time one file's parser may take.")
    ocr: bool = Field(True, description="Recognise the text in pictures, where the extra `ocr` is installed.")
    ocr_timeout_s: int = Field(900, ge=1, le=7_200, description="Time the text recognition of one file may take.")
    ocr_memory_mb: int = Field(2_048, ge=256, le=16_384, description="Memory it may use.")
    embedding_streams: int = Field(2, ge=1, le=64, description="Batches the embedding model works on at once.")
    embedding_threads: int = Field(2, ge=1, le=64, description="Threads the embedding model uses in all.")
    vector_cache_mb: int = Field(1_024, ge=16, le=262_144, description="Memory for search indexes kept open.")
    run_retention_days: int = Field(
        30, ge=1, le=3_650, description="How long runs are kept, where a tenant does not decide it."
    )
    feedback_retention_days: int = Field(
        365,
        ge=1,
        le=3_650,
        description="How long feedback is kept from when something was said last, likewise.",
    )
    feedback_daily_cap: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="How many pieces of feedback pages may send a tenant in a day, likewise.",
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """
        Read the settings from *environ*.

        Raises `ConfigurationError` naming the variable for an unknown `RAGSTONE_*` name or a value out of bounds.
        """
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        for name in given:
            _check_known(name)
        try:
            return cls.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in given.items()})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ConfigurationError(variable(str(first["loc"][0])), str(first["msg"])) from None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Raise `ConfigurationError` naming the first variable that a choice needs and that is not set."""
        for (field, choice), needed in _NEEDED.items():
            for name in needed:
                if getattr(self, field) == choice and getattr(self, name) is None:
                    raise ConfigurationError(variable(name), f"must be set where {variable(field)} is {choice}")
        return self

    @property
    def base_url(self) -> str:
        """Where clients on this machine reach the platform."""
        return self.url or f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"  # noqa: S104


def variable(name: str) -> str:
    """Give the environment variable of the setting *name*."""
    return PREFIX + name.upper()


def reference() -> str:
    """Give docs/configuration.md."""
    rows = [
        f"| `{variable(name)}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_INTRODUCTION, *rows, ""])


def _check_known(name: str) -> None:
    known = [variable(field) for field in Settings.model_fields]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/configuration.md lists those there are."
        raise ConfigurationError(name, f"there is no such setting; {hint}")


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


_INTRODUCTION = """# Configuration

<!-- Made by `make docs` from chalicelib/settings.py. -->

Every setting is an environment variable, read once at the start. A name that begins with `RAGSTONE_` and is not listed
here is refused, so that a typing error never passes silently.

| variable | default | what it does |
| --- | --- | --- |"""
