"""
A first look at unit vectors, in eight bits each way: a quarter of the memory to read, and a bound on the error.

A scan is bound by memory bandwidth, so this takes about half the time of float32. OpenVINO multiplies: NumPy has no
fast product of integers, and OpenVINO is there for the embedder. Where it is not, nothing is quantised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import ConfigurationError
from fargate.adapters.openvino_runtime import openvino_runtime

ROUNDING = 1e-5
"""Above twice what a product of unit vectors in float32 may be off by."""

_LEVELS = 127
_ONE_THREAD = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 0,  # in the thread that asks: waiting for another takes longer than the product of few rows
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # else the question would be rounded to eight bits too
}


class QuantisedRows:
    """
    Rows of length 1, each as int8 times a scale of its own; safe from any thread.

    By Cauchy and Schwarz no product with a vector of length 1 is off by more than the longest difference between a row
    and what it was rounded to; twice that, both ways, is *margin*.
    """

    def __init__(self, rows: NDArray[np.float32]) -> None:
        """Quantise *rows*, none of them zero. Raises `ConfigurationError` where OpenVINO is not installed."""
        scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(_LEVELS)
        levels = np.rint(rows / scales).astype(np.int8)
        self.margin = 2 * _longest(rows - levels * scales) + ROUNDING
        self.nbytes = levels.nbytes + scales.nbytes
        self._model = _compiled(levels, scales)
        self._idle: list[Any] = []

    @classmethod
    def where_possible(cls, rows: NDArray[np.float32]) -> QuantisedRows | None:
        """Quantise *rows*, or give None where OpenVINO is not installed."""
        try:
            return cls(rows)
        except ConfigurationError:
            return None

    def multiply(self, vector: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Write each row's product with *vector* into *out*, about."""
        request = self._request()
        request.get_input_tensor(0).data[0] = vector  # handing it in takes .1 ms longer
        request.infer(share_outputs=True)
        out[:] = request.get_output_tensor(0).data[0]
        self._idle.append(request)

    def _request(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:  # as many as there are threads at once, in the end
            return self._model.create_infer_request()


def _longest(rows: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", rows, rows).max()))


def _compiled(levels: NDArray[np.int8], scales: NDArray[np.float32]) -> Any:
    openvino = openvino_runtime()
    opset13 = openvino.opset13
    asked = opset13.parameter([1, levels.shape[1]], np.float32)
    rows = opset13.multiply(opset13.convert(opset13.constant(levels), "f32"), opset13.constant(scales))
    product = opset13.matmul(asked, rows, transpose_a=False, transpose_b=True)
    return openvino.Core().compile_model(openvino.Model([product], [asked]), "CPU", _ONE_THREAD)
