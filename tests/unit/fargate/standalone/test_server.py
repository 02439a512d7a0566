"""Serving: the sockets that the platform listens on."""

from __future__ import annotations

import asyncio
import socket

from chalicelib.settings import Settings
from fargate.standalone.server import listen


def test_responses_are_sent_without_waiting_for_an_acknowledgement() -> None:
    """Nagle's algorithm is off on every connection, or a response in two pieces would take 40 ms."""

    async def no_delay() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        port = _free_port()
        with listen(Settings(port=port)) as listening:
            async with await asyncio.start_server(connected, sock=listening):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return await asyncio.wait_for(accepted, 5)

    assert asyncio.run(no_delay()) == 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
