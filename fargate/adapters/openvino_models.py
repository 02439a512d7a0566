"""Local embedding models on OpenVINO, in this process, on the CPU."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import Unavailable
from chalicelib.observability.spans import span
from chalicelib.ports.models import EmbedderInfo, Embeddings, Purpose, TokenSpans
from fargate.adapters.admission import Admission
from fargate.adapters.embedding_backlog import EmbeddingBacklog, Group, WaitingText, padded_length
from fargate.adapters.embedding_groups import embed_groups, grouped
from fargate.adapters.embedding_tokenizer import refuse_unusable
from fargate.adapters.local_model import LocalModel
from fargate.adapters.minilm import MINILM
from fargate.adapters.openvino_runtime import openvino_runtime

_GROUP_TEXTS = 64
_GROUP_CHARACTERS = 1_000_000
_INLINE_CHARACTERS = 4_096  # tokenised in about a millisecond: sooner done than handed to a thread

_FIRST_RUNS = threading.Lock()


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """
    How the model uses the machine.

    *streams* batches run at once on *threads* threads in all; as many of each as there are cores is best for
    throughput. *batch_tokens* bounds a batch: larger ones gain little and keep a question waiting. *waiting* texts of
    each purpose may be inside. *precision* `auto` is bfloat16 where the CPU computes with it, else float32.
    """

    streams: int = 2
    threads: int = 2
    batch_tokens: int = 256
    waiting: int = 1_024
    precision: Literal["auto", "f32"] = "auto"


class OpenVinoEmbedder:
    """
    See `Embedder`. Calls from any task and any event loop share batches; questions go before documents.

    Construction loads and compiles the model (MiniLM in half a second), and raises `ConfigurationError` when OpenVINO
    is not installed or a file is not the expected one. `close` it in the end.
    """

    def __init__(self, options: EmbedderOptions = EmbedderOptions(), model: LocalModel = MINILM) -> None:
        self._info = model.info
        self._tokenizer = model.tokenizer()
        self._model = _compile(model.graph(), options)
        frame = self._tokenizer.frames[Purpose.QUERY]
        shortest = (*frame.before, *frame.after)
        self._backlog = EmbeddingBacklog(options.batch_tokens)
        self._admission = {purpose: Admission(options.waiting) for purpose in Purpose}
        self._tokenizing = ThreadPoolExecutor(1, "tokenizer")
        self._counts = threading.Lock()
        self._batches = 0
        self._workers = [
            threading.Thread(target=self._work, args=(request,), name=f"embedder-{number}", daemon=True)
            for number, request in enumerate(_ready_requests(self._model, options.streams, shortest))
        ]
        for worker in self._workers:
            worker.start()

    @property
    def info(self) -> EmbedderInfo:
        """See `Embedder.info`."""
        return self._info

    @property
    def precision(self) -> str:
        """The number format the model computes in on this machine: `f32`, `bf16` or `f16`."""
        return str(self._model.get_property("INFERENCE_PRECISION_HINT").get_type_name())

    @property
    def batches(self) -> int:
        """How many batches were run so far."""
        return self._batches

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`; an empty text is an `InvalidRequest`."""
        refuse_unusable(texts)
        with span("embedding.embed", texts=len(texts), purpose=purpose.value):
            groups = grouped(texts, _GROUP_TEXTS, _GROUP_CHARACTERS)
            return await embed_groups(groups, lambda group: self._embed_group(group, purpose))

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        return self._tokenizer.spans(text)

    def close(self) -> None:
        """Stop the threads and let the model go; calls that still wait fail with `Unavailable`."""
        self._backlog.close()
        for worker in self._workers:
            worker.join()
        self._tokenizing.shutdown()

    async def _embed_group(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        async with self._admission[purpose].room(len(texts)):
            ids = await self._ids(texts, purpose)
            group = Group(ids)
            self._backlog.put(group.texts, purpose)
            vectors = await asyncio.wrap_future(group.future)
        framed = len(self._tokenizer.frames[purpose])
        return Embeddings(vectors, tokens=[len(each) - framed for each in ids])

    async def _ids(self, texts: Sequence[str], purpose: Purpose) -> list[list[int]]:
        if sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return self._tokenizer.ids(texts, purpose)
        try:
            tokenizing = self._tokenizing.submit(self._tokenizer.ids, texts, purpose)
        except RuntimeError as error:  # what an executor says after its shutdown
            raise Unavailable("the embedding model is shutting down; try again") from error
        return await asyncio.wrap_future(tokenizing)

    def _work(self, request: Any) -> None:
        while batch := self._backlog.take():
            try:
                vectors = _infer(request, [text.ids for text in batch])
            except Exception as error:  # noqa: BLE001  a rim: whatever failed, the callers hear of it and the thread lives
                _fail(batch, error)
            else:
                with self._counts:
                    self._batches += 1
                for text, vector in zip(batch, vectors, strict=True):
                    text.group.deliver(text.place, vector)


def _compile(graph: Any, options: EmbedderOptions) -> Any:
    openvino = openvino_runtime()
    config = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": options.streams,
        "INFERENCE_NUM_THREADS": options.threads,
    }
    if options.precision == "f32":
        config["INFERENCE_PRECISION_HINT"] = openvino.Type.f32
    return openvino.Core().compile_model(graph, "CPU", config)


def _ready_requests(model: Any, count: int, shortest: Sequence[int]) -> list[Any]:
    """
    Make *count* requests that have run once on the *shortest* text, one after the other.

    The first runs prepare the kernels, and set up what OpenVINO's bindings share with NumPy. When two threads meet in
    the latter, each waits for what the other holds, the interpreter's lock among it, and the whole process stands still
    (OpenVINO 2026.4: up to two starts in five).
    """
    requests = [model.create_infer_request() for _ in range(count)]
    with _FIRST_RUNS:
        for request in requests:
            _infer(request, [shortest])
    return requests


def _infer(request: Any, batch: Sequence[Sequence[int]]) -> list[bytes]:
    """Run texts of one padded length; mean of the token vectors, of length 1."""
    length = padded_length(max(map(len, batch)))
    ids: NDArray[np.int64] = np.zeros((len(batch), length), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(batch):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    known = {name for each in request.model_inputs for name in each.names}
    request.infer({name: array for name, array in inputs.items() if name in known}, share_inputs=True)
    hidden = request.get_output_tensor().data
    return [_pool(hidden[row, : len(text)]) for row, text in enumerate(batch)]


def _pool(hidden: NDArray[np.float32]) -> bytes:
    mean: NDArray[np.float32] = hidden.mean(axis=0)
    return bytes((mean / np.linalg.norm(mean)).astype("<f4").data)


def _fail(batch: Sequence[WaitingText], error: Exception) -> None:
    for group in {text.group for text in batch}:
        failure = Unavailable(f"the embedding model failed on a batch of {len(batch)} texts; try again")
        failure.__cause__ = error
        group.fail(failure)
