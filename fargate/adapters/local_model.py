"""What there is to know of an embedding model that runs in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import ConfigurationError
from chalicelib.ports.models import EmbedderInfo
from fargate.adapters.embedding_tokenizer import EmbeddingTokenizer


@dataclass(frozen=True, slots=True)
class LocalModel:
    """
    A model by its parts, each loaded by calling it; both raise `ConfigurationError` for files that are not as expected.

    *graph* gives a file that OpenVINO reads, or a graph made of its operations: token ids and their mask to one vector
    a token, whose mean is the text's.
    """

    info: EmbedderInfo
    tokenizer: Callable[[], EmbeddingTokenizer]
    graph: Callable[[], Any]


def check_hash(name: str, path: Path, expected: str) -> None:
    """Raise `ConfigurationError` unless the file at *path* has the SHA-256 *expected*."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(name, f"{path} cannot be read ({error.strerror}); install Ragstone anew") from error
    if found != expected:
        raise ConfigurationError(name, f"{path} has SHA-256 {found}, not {expected}; install it anew")
