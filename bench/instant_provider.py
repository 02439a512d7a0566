"""
A provider that answers at once, in OpenAI's protocol: what is behind everybody whom `bench.gateway` measures.

`python -m bench.instant_provider PORT` serves it: chat and embeddings, whole answers only. An answer repeats the number
that stands in the request, so that whoever mixes answers up is found out.
"""

from __future__ import annotations

import asyncio
import re
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CHAT = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Number %s it is, and here are some words more, as an answer has them.",'
    b'"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":25,"completion_tokens":18,'
    b'"total_tokens":43}}'
)
EMBEDDING = (
    b'{"object":"list","model":"text-embedding-3-small","data":[{"object":"embedding","index":0,"embedding":[%s.0,0.5]}],'
    b'"usage":{"prompt_tokens":7,"total_tokens":7}}'
)

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb"umber (\d+)")


class InstantProvider(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        number = _NUMBER.search(body)
        answer = (EMBEDDING if b"/embeddings" in head[:64] else CHAT) % (number[1] if number else b"0")
        self._transport.write(HEAD % len(answer) + answer)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(InstantProvider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
