"""Each role's user of Redis may do what its process does, and nothing else: every command on every family of keys."""

from collections.abc import Iterator
from typing import Final

import pytest
from redis import exceptions

from common import keys
from common.acl import ROLES
from tests.secured import Secured, secured

PROBES: Final[dict[str, tuple[str, ...]]] = {
    "HGET": ("HGET", "{key}", "epoch"),
    "HMGET": ("HMGET", "{key}", "epoch"),
    "HGETALL": ("HGETALL", "{key}"),
    "HLEN": ("HLEN", "{key}"),
    "HSET": ("HSET", "{key}", "epoch", "1"),
    "HDEL": ("HDEL", "{key}", "epoch"),
    "GET": ("GET", "{key}"),
    "GETDEL": ("GETDEL", "{key}"),
    "SET": ("SET", "{key}", "x"),
    "APPEND": ("APPEND", "{key}", "x"),
    "EXPIRE": ("EXPIRE", "{key}", "100"),
    "PERSIST": ("PERSIST", "{key}"),
    "TTL": ("TTL", "{key}"),
    "TYPE": ("TYPE", "{key}"),
    "EXISTS": ("EXISTS", "{key}"),
    "UNLINK": ("UNLINK", "{key}"),
    "DEL": ("DEL", "{key}"),
    "RENAME": ("RENAME", "{key}", "{key}2"),
    "COPY": ("COPY", "{key}", "{key}2"),
    "DUMP": ("DUMP", "{key}"),
    "RESTORE": ("RESTORE", "{key}", "0", "x"),
    "SORT": ("SORT", "{key}"),
    "MEMORY": ("MEMORY", "USAGE", "{key}"),
    "OBJECT": ("OBJECT", "ENCODING", "{key}"),
    "SMEMBERS": ("SMEMBERS", "{key}"),
    "SADD": ("SADD", "{key}", "x"),
    "SREM": ("SREM", "{key}", "x"),
    "LPUSH": ("LPUSH", "{key}", "x"),
    "LPOP": ("LPOP", "{key}"),
    "ZADD": ("ZADD", "{key}", "1", "x"),
    "ZRANGE": ("ZRANGE", "{key}", "0", "-1"),
    "XADD": ("XADD", "{key}", "*", "a", "b"),
    "XLEN": ("XLEN", "{key}"),
    "XRANGE": ("XRANGE", "{key}", "-", "+", "COUNT", "1"),
    "XREVRANGE": ("XREVRANGE", "{key}", "+", "-", "COUNT", "1"),
    "XREAD": ("XREAD", "COUNT", "1", "STREAMS", "{key}", "0"),
    "XTRIM": ("XTRIM", "{key}", "MAXLEN", "0"),
    "XDEL": ("XDEL", "{key}", "1-1"),
    "XACK": ("XACK", "{key}", "workers", "1-1"),
    "XPENDING": ("XPENDING", "{key}", "workers"),
    "XCLAIM": ("XCLAIM", "{key}", "workers", "me", "0", "1-1"),
    "XREADGROUP": ("XREADGROUP", "GROUP", "workers", "me", "COUNT", "1", "STREAMS", "{key}", ">"),
    "XGROUP CREATE": ("XGROUP", "CREATE", "{key}", "workers", "0", "MKSTREAM"),
    "XGROUP DESTROY": ("XGROUP", "DESTROY", "{key}", "workers"),
    "XGROUP SETID": ("XGROUP", "SETID", "{key}", "workers", "0"),
    "XGROUP DELCONSUMER": ("XGROUP", "DELCONSUMER", "{key}", "workers", "me"),
    "XINFO": ("XINFO", "CONSUMERS", "{key}", "workers"),
}
"""How each command is tried on a key."""

TAKES: Final = "XGROUP CREATE,XGROUP DELCONSUMER,XINFO,XREADGROUP,XPENDING,XCLAIM,XRANGE,XACK,XDEL"
"""What a worker does with the tasks of its own stage."""
RQ: Final = (
    "EXISTS,DEL,EXPIRE,PERSIST,TTL,GET,SET,HGET,HGETALL,HMGET,HSET,HDEL,LPUSH,LPOP,SADD,SREM,SMEMBERS,ZADD,ZRANGE,XADD,"
    "XREVRANGE,XLEN,XDEL"
)
"""What RQ does with its keys."""
LOOKS: Final = "HGET,HMGET,HGETALL,HLEN,XREAD,XRANGE,XREVRANGE,XLEN,XPENDING,XINFO,SMEMBERS,TTL,TYPE,EXISTS,MEMORY"
"""What a person may look at."""

MAY: Final[dict[str, dict[str, str]]] = {
    "session:{0123456789abcdef}": {
        "gateway": "HMGET,HGETALL,HSET,HDEL,EXPIRE,UNLINK",
        "audio": "HGET", "inference": "HGET", "compositor": "HGET",
        "operator": LOOKS,
    },
    "session:{0123456789abcdef}:segments": {"gateway": "HMGET,HGETALL,HSET,HDEL,EXPIRE,UNLINK", "operator": LOOKS},
    "session:{0123456789abcdef}:audio": {
        "gateway": "XADD,XRANGE,XREVRANGE,EXPIRE,UNLINK", "audio": "XRANGE", "operator": LOOKS,
    },
    "session:{0123456789abcdef}:frames": {
        "gateway": "HMGET,EXPIRE,UNLINK", "compositor": "HSET,EXPIRE", "operator": LOOKS,
    },
    "stage:audio": {
        "gateway": "XADD,XLEN,XRANGE,XPENDING", "audio": TAKES, "operator": f"{LOOKS},XADD",
    },
    "stage:inference:default": {
        "gateway": "XLEN,XRANGE,XPENDING", "audio": "XADD", "inference": TAKES, "operator": LOOKS,
    },
    "stage:compositor": {
        "gateway": "XLEN,XRANGE,XPENDING", "inference": "XADD", "compositor": TAKES, "operator": LOOKS,
    },
    "blob:{0123456789abcdef}:stage:inference:default:0:0-8:01234567": {"audio": "SET", "inference": "GET,UNLINK"},
    "blob:{0123456789abcdef}:stage:compositor:0:0-8:01234567": {"inference": "SET", "compositor": "GET,UNLINK"},
    "gateway:host-1-abcdef": {"gateway": "HSET,HGETALL,EXPIRE,UNLINK", "operator": LOOKS},
    "gateway:host-1-abcdef:inbox": {
        "gateway": "XREAD,XADD,EXPIRE,UNLINK,HSET,HGETALL",
        "audio": "XADD,EXPIRE", "inference": "XADD,EXPIRE", "compositor": "XADD,EXPIRE",
        "operator": LOOKS,
    },
    "secret:resume": {"gateway": "GET,SET"},
    "dead:audio": {"audio": "XADD", "operator": f"{LOOKS},XDEL"},
    "dead:inference": {"inference": "XADD", "operator": f"{LOOKS},XDEL"},
    "dead:compositor": {"compositor": "XADD", "operator": f"{LOOKS},XDEL"},
    "worker:audio:host-1-abcdef": {"gateway": "HGETALL", "audio": "HSET,EXPIRE,UNLINK", "operator": LOOKS},
    "worker:inference:host-1-abcdef": {"gateway": "HGETALL", "inference": "HSET,EXPIRE,UNLINK", "operator": LOOKS},
    "worker:compositor:host-1-abcdef": {"gateway": "HGETALL", "compositor": "HSET,EXPIRE,UNLINK", "operator": LOOKS},
    "alive": {
        "gateway": "SADD,SREM,SMEMBERS", "audio": "SADD,SREM", "inference": "SADD,SREM", "compositor": "SADD,SREM",
        "operator": LOOKS,
    },
    "rq:job:0123456789abcdef": {"gateway": RQ, "jobs": RQ},
    "recordings:pruned": {"jobs": "SET"},
    "of:another:program": {},
}  # fmt: skip
"""Who may do what; what is not written here is refused. An inbox also fits the pattern of a gateway's heartbeat."""

KEYLESS: Final = {
    "SCAN 0": ("gateway", "operator"),
    "PUBLISH rq:pubsub:1 x": ("gateway", "jobs"),
    "MULTI": ("gateway", "jobs"),
    "DISCARD": ("gateway", "jobs"),
    "CLIENT INFO": ("jobs",),
} | dict.fromkeys(("PING", "TIME", "INFO", "COMMAND COUNT", "SELECT 0"), tuple(ROLES))
DANGEROUS: Final = (
    "FLUSHALL", "FLUSHDB", "KEYS *", "RANDOMKEY", "DBSIZE", "CONFIG GET *", "CONFIG SET maxmemory 1", "CONFIG REWRITE",
    "EVAL return 0", "EVAL_RO return 0", "EVALSHA 0123 0", "SCRIPT FLUSH", "FUNCTION LIST", "FUNCTION FLUSH",
    "ACL LIST", "ACL SETUSER lipstream-audio +@all", "ACL GETUSER admin", "ACL LOG", "ACL DRYRUN admin PING",
    "MONITOR", "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE", "SWAPDB 0 1",
    "REPLICAOF NO ONE", "FAILOVER", "PSYNC ? -1", "MIGRATE 127.0.0.1 1 k 0 1", "MODULE LIST", "MODULE LOAD /tmp/x.so",
    "CLIENT LIST", "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "SLOWLOG GET", "LATENCY LATEST", "MEMORY STATS",
    "CLUSTER RESET", "CLUSTER NODES", "PUBLISH news x", "WAIT 0 0",
)  # fmt: skip
"""Refused to every role."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("acl")) as made:
        yield made


def attempts(role: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Every command on every family of keys, and those without a key: its name, itself, whether it is allowed."""
    for key, may in MAY.items():
        allowed = set(may.get(role, "").split(","))
        for name, words in PROBES.items():
            yield f"{name} {key}", tuple(word.replace("{key}", key) for word in words), name in allowed
    for line, roles in KEYLESS.items():
        yield line, tuple(line.split()), role in roles
    for line in DANGEROUS:
        yield line, tuple(line.split()), False


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_its_work_and_is_refused_everything_else(server: Secured, role: str) -> None:
    with server.client(role) as client:
        client.response_callbacks.clear()  # the answers' contents do not matter
        pipe = client.pipeline(transaction=False)
        tried = list(attempts(role))
        for _, words, _ in tried:
            pipe.execute_command(*words)
        replies = pipe.execute(raise_on_error=False)
    wrong = [
        f"{name}: {'refused' if allowed else 'allowed'}"
        for (name, _, allowed), reply in zip(tried, replies, strict=True)
        if isinstance(reply, exceptions.NoPermissionError) == allowed
    ]
    assert not wrong
    assert sum(allowed for *_, allowed in tried) > len(KEYLESS) - 1


def test_the_table_knows_every_role_and_every_family_of_keys() -> None:
    rows = {line.split("`")[1] for line in (keys.__doc__ or "").splitlines() if line.startswith("| `")}
    families = {row.split(":")[0] for row in rows}
    assert families <= {key.split(":")[0] for key in MAY}
    assert {role for may in MAY.values() for role in may} == set(ROLES)
