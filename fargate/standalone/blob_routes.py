"""The presigned URLs of the local blob store: what Amazon S3 serves itself, and the event it sends on arrival."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import BinaryIO, Protocol
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chalicelib.errors import RagError
from chalicelib.ports.blobs import BlobInfo, BlobKey, UploadTerms
from fargate.http.problems import problem_response

PIECE_BYTES = 1 << 20

Arrived = Callable[[BlobKey], Awaitable[None]]


class PresignedBlobs(Protocol):
    """A blob store whose presigned URLs the platform has to serve itself."""

    def open(self, key: BlobKey) -> BinaryIO:
        """See `BlobStore.open`."""
        ...

    def verify_upload(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, UploadTerms]:
        """Give what the URL allows. Raises `Forbidden` for one that is forged or has expired."""
        ...

    def verify_download(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, str]:
        """Give the blob and the attachment's name of the URL. Raises `Forbidden` likewise."""
        ...

    def store_upload(
        self, key: BlobKey, terms: UploadTerms, stream: BinaryIO, *, media_type: str | None = None
    ) -> BlobInfo:
        """Store *stream* if it is what *terms* say, or nothing."""
        ...


def blob_routes(blobs: PresignedBlobs, arrived: Arrived) -> list[Route]:
    """Give the routes below `/local-blobs`; *arrived* is told of every upload once its bytes are stored."""

    async def upload(request: Request) -> Response:
        try:
            key, terms = blobs.verify_upload(request.url.path, request.query_params)
            info = await _store(blobs, key, terms, request)
            await arrived(key)
        except RagError as error:
            return problem_response(error)
        return Response(status_code=200, headers={"ETag": f'"{info.etag}"'})

    async def download(request: Request) -> Response:
        try:
            key, name = blobs.verify_download(request.url.path, request.query_params)
            stream = await run_in_threadpool(blobs.open, key)
        except RagError as error:
            return problem_response(error)
        # Always an attachment of no particular kind: a stored page must not run as one of ours.
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(_pieces(stream), media_type="application/octet-stream", headers=headers)

    place = "/local-blobs/{rest:path}"
    return [Route(place, upload, methods=["PUT"]), Route(place, download, methods=["GET"])]


async def _store(blobs: PresignedBlobs, key: BlobKey, terms: UploadTerms, request: Request) -> BlobInfo:
    reader = _BodyReader(request.stream(), asyncio.get_running_loop())
    media_type = request.headers.get("content-type")
    return await run_in_threadpool(
        blobs.store_upload, key, terms, io.BufferedReader(reader, PIECE_BYTES), media_type=media_type
    )


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


class _BodyReader(io.RawIOBase):
    """A request's body as a file, read from another thread without ever holding more than a piece of it."""

    def __init__(self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._pieces = pieces
        self._loop = loop
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the stubs say Buffer
        while not self._rest:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    async def _next(self) -> bytes | None:
        return await anext(self._pieces, None)
