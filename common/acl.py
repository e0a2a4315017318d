"""Who may do what in Redis: a user for each role, and the rules of its ACL (Redis 7 or newer).

A role has what its code uses and nothing else. Each grant becomes a selector of its own, so that a command is allowed
on the families of keys that it is meant for, and not on those of another grant.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from common import keys

PREFIX: Final = "lipstream-"
"""Users are named after their roles, so: `lipstream-audio`."""
_ANY: Final = "*"

_SESSION: Final = keys.session(_ANY)
_SEGMENTS: Final = keys.segments(_ANY)
_AUDIO: Final = keys.audio_ring(_ANY)
_FRAMES: Final = keys.frame_ring(_ANY)
_INBOX: Final = keys.gateway_inbox(_ANY)
_GATEWAY: Final = keys.gateway(_ANY)
_STAGES: Final = keys.stage(_ANY)
_DEAD: Final = keys.dead(_ANY)
_WORKERS: Final = keys.worker(_ANY, _ANY)


class Grant(NamedTuple):
    """Commands, by spaces, that may read (R) or write (W) the content of keys that match one of the patterns."""

    access: Literal["R", "W", "RW"]
    patterns: tuple[str, ...]
    commands: str


class Role(NamedTuple):
    """A kind of process; `keyless` are its commands that name no key, beside those that `EVERYBODY` has."""

    grants: tuple[Grant, ...]
    keyless: str = ""
    channels: tuple[str, ...] = ()


_JOBS: Final = Grant(
    "RW", (keys.JOBS_KEYS,),
    "exists del expire persist ttl get set hget hgetall hmget hset hdel hexists hincrby hincrbyfloat "
    "rpush lpush lpop blmove lmove lrange lrem llen lpos sadd srem smembers sismember "
    "zadd zrem zrange zrevrange zrangebyscore zremrangebyscore zremrangebyrank zcard zcount zscore "
    "xadd xrevrange xlen xdel watch",
)  # fmt: skip
"""What RQ does with its own keys."""
_JOBS_KEYLESS: Final = "multi exec discard unwatch publish subscribe unsubscribe"

EVERYBODY: Final = "ping select time info cluster|slots command asking"
"""To connect, to see that the server is new enough, to ask for a cluster's map, and for the time."""


def _stage(stage: str, tasks: str, *grants: Grant) -> Role:
    """What every worker needs, with the streams of its `tasks`, and what its stage needs beside that."""
    return Role(
        (
            Grant(
                "RW", (tasks,),
                "xgroup|create xgroup|createconsumer xgroup|delconsumer xinfo|consumers "
                "xreadgroup xpending xclaim xrange xack xdel",
            ),
            Grant("R", (_SESSION,), "hget"),
            Grant("R", (keys.blob(_ANY, tasks) + ":*",), "get"),
            Grant("W", (keys.blob(_ANY, tasks) + ":*",), "unlink"),
            Grant("W", (_INBOX,), "xadd expire"),
            Grant("W", (keys.dead(stage),), "xadd"),
            Grant("W", (keys.worker(stage, _ANY),), "hset expire unlink"),
            Grant("W", (keys.ALIVE,), "sadd srem"),
            *grants,
        )
    )  # fmt: skip


def _tasks_for(stream: str) -> tuple[Grant, ...]:
    """To put tasks on the streams of the next stage."""
    return Grant("W", (stream,), "xadd"), Grant("W", (keys.blob(_ANY, stream) + ":*",), "set")


_TO_AUDIO: Final = keys.stage("audio")
_TO_INFERENCE: Final = keys.stage("inference", _ANY)
_TO_COMPOSITOR: Final = keys.stage("compositor")

ROLES: Final[Mapping[str, Role]] = {
    "gateway": Role(
        (
            Grant("W", (_SESSION, _SEGMENTS, _AUDIO, _FRAMES), "expire unlink"),
            Grant("RW", (_SESSION, _SEGMENTS), "hset hdel hgetall hmget"),
            Grant("RW", (_AUDIO,), "xadd xrange xrevrange"),
            Grant("R", (_FRAMES,), "hmget"),
            Grant("W", (_TO_AUDIO,), "xadd"),
            Grant("R", (_STAGES,), "xlen xrange xpending"),
            Grant("RW", (_INBOX,), "xread xadd expire unlink"),
            Grant("RW", (_GATEWAY,), "hset hgetall expire unlink"),
            Grant("R", (_WORKERS,), "hgetall"),
            Grant("RW", (keys.ALIVE,), "sadd srem smembers"),
            Grant("RW", (keys.resume_secret(),), "set get"),
            _JOBS,
        ),
        keyless=f"scan {_JOBS_KEYLESS}",
        channels=(keys.JOBS_CHANNELS,),
    ),
    "audio": _stage("audio", _TO_AUDIO, Grant("R", (_AUDIO,), "xrange"), *_tasks_for(_TO_INFERENCE)),
    "inference": _stage("inference", _TO_INFERENCE, *_tasks_for(_TO_COMPOSITOR)),
    "compositor": _stage("compositor", _TO_COMPOSITOR, Grant("W", (_FRAMES,), "hset expire")),
    "jobs": Role(
        (_JOBS, Grant("W", (keys.recordings_pruned(),), "set")),
        f"client|setname client|info {_JOBS_KEYLESS}",
        (keys.JOBS_CHANNELS,),
    ),
    "operator": Role(
        (
            Grant(
                "R", (_SESSION, _SEGMENTS, _AUDIO, _FRAMES, _STAGES, _DEAD, _GATEWAY, _WORKERS, keys.ALIVE),
                "hget hmget hgetall hlen hstrlen xread xrange xrevrange xlen xpending xinfo|consumers xinfo|groups "
                "xinfo|stream smembers ttl type exists memory|usage",
            ),
            Grant("W", (_TO_AUDIO,), "xadd"),
            Grant("W", (_DEAD,), "xdel"),
        ),
        keyless="scan",
    ),
}  # fmt: skip
"""The gateway, the workers by stage, and people who look: `lipstream top`, `trace`, `tail`, `dead`."""


def user_of(role: str) -> str:
    """The name of a role's user."""
    return f"{PREFIX}{role}"


def rules_of(role: str) -> tuple[str, ...]:
    """The rules of a role's user, after `reset`: commands without keys, channels, then a selector for each grant."""
    grants, keyless, channels = ROLES[role]
    return (*_allowed(f"{EVERYBODY} {keyless}"), *(f"&{channel}" for channel in channels), *map(_selector, grants))


def _selector(grant: Grant) -> str:
    patterns = " ".join(f"%{grant.access}~{pattern}" for pattern in grant.patterns)
    return f"({patterns} {' '.join(_allowed(grant.commands))})"


def _allowed(commands: str) -> list[str]:
    return [f"+{command}" for command in commands.split()]
