"""Indexes, the recipes they are built with, and their generations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.identifiers import JobId


@dataclass(frozen=True, slots=True)
class Component:
    """One choice from a registry: the name of a parser, chunker, embedder, … and its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


class ChunkContext(StrEnum):
    """What is embedded and searched in front of a chunk's own text: the headings it stands under, or none."""

    HEADINGS = "headings"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How documents become vectors; two generations of an index differ in nothing else."""

    parser: Component = field(default_factory=lambda: Component("auto"))
    chunker: Component = field(
        default_factory=lambda: Component("structure", {"max_tokens": 256, "overlap_tokens": 32})
    )
    embedder: Component = field(default_factory=lambda: Component("local/minilm"))
    language: str = "en"
    context: ChunkContext = ChunkContext.HEADINGS


class GenerationStatus(StrEnum):
    """`building` → `ready` → `live` → `retired`."""

    BUILDING = "building"
    READY = "ready"
    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Generation:
    """One physical build of an index with one recipe; numbers count from 1."""

    number: int
    recipe: Recipe
    status: GenerationStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Index:
    """A named knowledge base of a tenant; *generation* is the live one, which questions are answered from."""

    name: str
    description: str
    generation: Generation
    created_at: datetime
    updated_at: datetime
    deleting: bool = False
    job_id: JobId | None = None
    """The job that removes it, once one does."""
    swept_at: datetime | None = None
    """When the last sweep for orphans began."""
    version: int = 0
