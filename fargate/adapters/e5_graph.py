"""The graph of multilingual-e5-small, a BERT encoder, made of OpenVINO's operations and the packed weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from fargate.adapters.e5_weights import BLOCK_NUMBERS, E5Weights
from fargate.adapters.openvino_runtime import openvino_runtime

_FORBIDDEN = np.float32(1e9)


def e5_graph(weights: E5Weights) -> Any:
    """
    Give an `openvino.Model`: `input_ids` and `attention_mask`, one row a text, to one vector a token.

    BERT with learned positions and post-normalisation (Devlin et al., 2019, section 3; Vaswani et al., 2017, sections
    3.1 to 3.4). The word vectors, four fifths of the weights, stay packed: a text's own are unpacked as it is read.
    """
    return _E5Graph(weights).model()


class _E5Graph:
    def __init__(self, weights: E5Weights) -> None:
        self._weights = weights
        self._openvino = openvino_runtime()
        self._op: Any = self._openvino.opset13

    def model(self) -> Any:
        ids, mask = self._input("input_ids"), self._input("attention_mask")
        hidden = self._normalised(self._op.add(self._words(ids), self._positions(ids)), "emb.ln")
        forbidden = self._forbidden(mask)
        for layer in range(self._weights.layers):
            hidden = self._layer(hidden, forbidden, f"l{layer}")
        return self._openvino.Model([self._op.result(hidden)], [ids, mask], "multilingual-e5-small")

    def _input(self, name: str) -> Any:
        parameter = self._op.parameter([-1, -1], np.int64, name=name)
        parameter.output(0).set_names({name})
        return parameter

    def _words(self, ids: Any) -> Any:
        op, width = self._op, self._weights.width
        scales, packed = self._weights.blocks("emb.word")
        blocks = width // BLOCK_NUMBERS
        both = self._rows(packed.reshape(-1, blocks, packed.shape[1]), ids)
        high = op.floor(op.multiply(both, self._constant(np.float32(1 / 16))))
        low = op.subtract(both, op.multiply(high, self._constant(np.float32(16))))
        numbers = op.subtract(op.concat([low, high], -1), self._constant(np.float32(8)))
        return self._reshaped(op.multiply(numbers, self._rows(scales.reshape(-1, blocks, 1), ids)), 0, 0, width)

    def _rows(self, table: Any, ids: Any) -> Any:
        return self._op.convert(self._op.gather(self._constant(table), ids, self._integers(0)), "f32")

    def _positions(self, ids: Any) -> Any:
        op, width = self._op, self._weights.width
        all_of_one_type = self._weights.vector("emb.pos").reshape(-1, width) + self._weights.vector("emb.type")[:width]
        length = op.gather(op.shape_of(ids), self._integers([1]), self._integers(0))
        start, step, axis = self._integers([0]), self._integers([1]), self._integers([0])
        return op.slice(self._constant(all_of_one_type), start, length, step, axis)

    def _forbidden(self, mask: Any) -> Any:
        op = self._op
        scaled = op.multiply(
            op.subtract(op.convert(mask, "f32"), self._constant(np.float32(1))), self._constant(_FORBIDDEN)
        )
        return op.unsqueeze(scaled, self._integers([1, 2]))

    def _layer(self, hidden: Any, forbidden: Any, name: str) -> Any:
        op, width, inner = self._op, self._weights.width, self._weights.inner
        query, key, value = (self._heads(self._linear(hidden, f"{name}.{part}", width)) for part in "qkv")
        attended = op.scaled_dot_product_attention(query, key, value, forbidden)
        joined = self._reshaped(op.transpose(attended, self._integers([0, 2, 1, 3])), 0, 0, width)
        hidden = self._normalised(op.add(hidden, self._linear(joined, f"{name}.ao", width)), f"{name}.aln")
        widened = op.gelu(self._linear(hidden, f"{name}.fi", width), "erf")
        return self._normalised(op.add(hidden, self._linear(widened, f"{name}.fo", inner)), f"{name}.oln")

    def _heads(self, hidden: Any) -> Any:
        heads = self._weights.heads
        apart = self._reshaped(hidden, 0, 0, heads, self._weights.width // heads)
        return self._op.transpose(apart, self._integers([0, 2, 1, 3]))

    def _linear(self, hidden: Any, name: str, columns: int) -> Any:
        matrix = self._constant(self._weights.matrix(f"{name}.w", columns))
        product = self._op.matmul(hidden, matrix, False, True)
        return self._op.add(product, self._constant(self._weights.vector(f"{name}.b")))

    def _normalised(self, hidden: Any, name: str) -> Any:
        op = self._op
        centred = op.mvn(hidden, self._integers([-1]), True, self._weights.epsilon, "inside_sqrt")
        scaled = op.multiply(centred, self._constant(self._weights.vector(f"{name}.w")))
        return op.add(scaled, self._constant(self._weights.vector(f"{name}.b")))

    def _reshaped(self, hidden: Any, *shape: int) -> Any:
        return self._op.reshape(hidden, self._integers(shape), True)

    def _constant(self, numbers: Any) -> Any:
        return self._op.constant(np.ascontiguousarray(numbers))

    def _integers(self, numbers: Any) -> Any:
        return self._op.constant(np.array(numbers, np.int64))
