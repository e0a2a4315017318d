"""A Service: one address, behind it the pods that are ready. Connections that are made stay where they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import count
from typing import Final

from tests.scaling.pods import Cluster

_CHUNK_BYTES: Final = 65_536


@contextlib.asynccontextmanager
async def service(cluster: Cluster, deployment: str, port_name: str) -> AsyncIterator[int]:
    """The port at which the Deployment answers, by whichever pod has its turn."""
    turns, open_connections = count(), set[asyncio.Task[None]]()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            ready = [pod for pod in cluster.running if pod.of == deployment and pod.ready]
            if ready:
                pod = ready[next(turns) % len(ready)]
                answers, there = await asyncio.open_connection("127.0.0.1", pod.ports[port_name])
                await asyncio.gather(_pass(reader, there), _pass(answers, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            open_connections.discard(task)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """From one end to the other; the end of one is the end of both, once all has been passed on."""
    try:
        while data := await source.read(_CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    finally:
        with contextlib.suppress(OSError):
            await sink.drain()
        sink.close()
