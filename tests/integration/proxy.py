"""What lies between a pipeline and its Redis: a network that cuts, stalls, and swallows without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.integration.redis_servers import free_node_port

CHUNK_BYTES = 65_536


@dataclass(slots=True)
class Proxy:
    """Passes everything on to a port of this machine, unless told otherwise."""

    server_port: int
    port: int = field(default_factory=free_node_port)
    _server: asyncio.Server | None = None
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _swallows: bool = False
    _era: int = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Take connections, and keep them well."""
        self._flows.set()
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Every connection ends at once, and new ones are refused."""
        assert self._server is not None
        self._server.close()
        while self._ends:
            for end in self._ends:
                end.transport.abort()
            await asyncio.sleep(0.01)

    def stall(self) -> None:
        """Everything waits, until `flow`."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def swallow(self) -> None:
        """Connections stay open and new ones are made, but nothing that is said on any of them ever arrives."""
        self._swallows = True
        self._era += 1

    def heal(self) -> None:
        """New connections work. The swallowed ones stay so: a network forgets them."""
        self._swallows = False

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        era = -1 if self._swallows else self._era
        answers, server = await asyncio.open_connection("127.0.0.1", self.server_port)
        ends = {writer, server}
        self._ends |= ends
        try:
            await asyncio.gather(self._pass(reader, server, era), self._pass(answers, writer, era))
        finally:
            self._ends -= ends

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, era: int) -> None:
        """From one end to the other; the end of one is the end of both."""
        try:
            while data := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                if era == self._era:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.transport.abort()


@contextlib.asynccontextmanager
async def proxy_to(server_port: int) -> AsyncIterator[Proxy]:
    made = Proxy(server_port)
    await made.open()
    try:
        yield made
    finally:
        made.flow()
        await made.cut()
