"""Redis servers that a test kills and fails over: each a process of its own, on free ports of this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis as BlockingRedis
from redis import exceptions

from cli.embedded_redis import find_binary
from common.errors import BusError
from tests import pipeline

SLOTS = 16_384
NODE_TIMEOUT_MS = 2_000
"""A node of a cluster that is silent for so long counts as failed, and so does a master for its sentinels."""
BUS_OFFSET = 10_000
"""A node's port for the other nodes lies so far above its port for clients."""


def binary() -> Path:
    """The server to start; without one, tests are skipped here and fail in CI."""
    try:
        return find_binary()
    except BusError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def free_node_port() -> int:
    """A port that is free, and whose port for the cluster's bus is."""
    while True:
        port = pipeline.free_port()
        with socket.socket() as bus, contextlib.suppress(OSError):
            bus.bind(("127.0.0.1", port + BUS_OFFSET))
            return port


@dataclass(slots=True)
class Server:
    """One process; `kill` and `start` may follow each other."""

    command: Sequence[str]
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([*self.command, "--dir", str(self.folder)], stdout=log, stderr=log)
        await_that(self.answers, f"the server in {self.folder} does not answer")

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except exceptions.ConnectionError:
            return False

    def ask(self, *command: str | int) -> Any:
        """The answer to one command."""
        with BlockingRedis(port=self.port, socket_timeout=30) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is saved."""
        if self.process is not None:
            # One that a test has stopped takes no other signal.
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None


def await_that(happened: Callable[[], object], otherwise: str, timeout_s: float = 60) -> None:
    if not _happens(happened, timeout_s):
        pytest.fail(otherwise)


def _happens(happened: Callable[[], object], timeout_s: float) -> bool:
    end_s = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def started(folder: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """A server without persistence."""
    port = port or free_node_port()
    own = folder / str(port)
    own.mkdir()
    basic = [str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    basic += ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
    server = Server([*basic, *options], own, port)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def cluster(folder: Path, *, masters: int = 3, replicas: int = 0) -> Iterator[list[Server]]:
    """A Redis Cluster that serves all slots: the masters, then replicas of the first ones."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(started(folder, *options)) for _ in range(masters + replicas)]
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        bounds = [SLOTS * number // masters for number in range(masters + 1)]
        for node, first, stop in zip(nodes, bounds, bounds[1:], strict=False):
            node.ask("CLUSTER", "ADDSLOTS", *range(first, stop))
        _introduce(nodes)
        for replica, master in zip(nodes[masters:], nodes, strict=False):
            replica.ask("CLUSTER", "REPLICATE", node_id(master))
        for replica in nodes[masters:]:
            _await_replica(replica)
        yield nodes


def cluster_url(nodes: Sequence[Server]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def node_id(node: Server) -> str:
    return str(node.ask("CLUSTER", "MYID"), "ascii")


def _introduce(nodes: Sequence[Server]) -> None:
    """Let all nodes know each other. A node forgets one that takes longer than a second to answer its first word."""
    for _ in range(10):
        for node in nodes[1:]:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        if _happens(lambda: all(_knows(node, len(nodes)) for node in nodes), 6):
            return
    pytest.fail("the nodes do not find each other")


def _await_replica(server: Server) -> None:
    await_that(lambda: server.ask("INFO", "replication").get("master_link_status") == "up", "a replica stays behind")


def _knows(node: Server, count: int) -> bool:
    info = node.ask("CLUSTER INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(count))


def written_bytes(server: Server) -> int:
    """How much a master has written since it was one, and how much of that its replica has got."""
    return int(server.ask("INFO", "replication")["master_repl_offset"])


class Watched(NamedTuple):
    """A master and its replica, and the URL by which their sentinels name the one that is master."""

    url: str
    master: Server
    replica: Server


@contextlib.contextmanager
def watched(folder: Path, *, sentinels: int = 3) -> Iterator[Watched]:
    """The service `talk`."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(started(folder))
        replica = stack.enter_context(started(folder, "--replicaof", "127.0.0.1", str(master.port)))
        _await_replica(replica)
        watchers = [stack.enter_context(_sentinel(folder, master.port, sentinels // 2 + 1)) for _ in range(sentinels)]
        for each in watchers:
            await_that(partial(_is_watching, each, sentinels), "the sentinels do not find each other")
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in watchers)
        yield Watched(f"redis+sentinel://{hosts}/talk/0", master, replica)


@contextlib.contextmanager
def _sentinel(folder: Path, master_port: int, quorum: int) -> Iterator[Server]:
    port = free_node_port()
    own = folder / str(port)
    own.mkdir()
    settings = own / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\n"
        f"sentinel monitor talk 127.0.0.1 {master_port} {quorum}\n"
        f"sentinel down-after-milliseconds talk {NODE_TIMEOUT_MS}\n"
        "sentinel failover-timeout talk 3000\n"
    )
    sentinel = Server([str(binary()), str(settings), "--sentinel"], own, port)
    try:
        sentinel.start()
        yield sentinel
    finally:
        sentinel.kill()


def _is_watching(sentinel: Server, sentinels: int) -> bool:
    found = sentinel.ask("SENTINEL MASTER", "talk")
    return (found["num-other-sentinels"], found["num-slaves"]) == (sentinels - 1, 1)
