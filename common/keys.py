"""Every Redis key of Lipstream; no other module spells one.

| key                      | type    | holds                                                                      |
|--------------------------|---------|----------------------------------------------------------------------------|
| `session:{sid}`          | hash    | avatar, state, epoch, gateway, sample_rate, fps, times, counters            |
| `session:{sid}:segments` | hash    | segment number -> where it lies and how its audio came, JSON               |
| `session:{sid}:audio`    | stream  | the audio ring: one entry a frame, ID `<frame + 1>-0`, field `pcm`, capped  |
| `session:{sid}:frames`   | hash    | the frame ring: slot `frame mod N` -> frame header and picture             |
| `stage:audio`            | stream  | tasks for the audio workers, group `workers`                               |
| `stage:inference:<pool>` | stream  | tasks for one pool of inference workers, group `workers`                   |
| `stage:compositor`       | stream  | tasks for the compositor workers, group `workers`                          |
| `blob:{sid}:<name>`      | string  | a payload too large for a stream entry, expires                            |
| `gateway:<gid>`          | hash    | heartbeat of a gateway with what its sessions ask for, expires             |
| `gateway:<gid>:inbox`    | stream  | notices "frames a..b of session s are in the ring", capped                 |
| `secret:resume`          | string  | signs the tokens with which clients resume sessions, at any gateway        |
| `dead:<stage>`           | stream  | tasks that were given up, with the error, capped                           |
| `worker:<stage>:<id>`    | hash    | heartbeat of a worker, expires                                             |
| `alive`                  | set     | the keys of the heartbeats of workers and gateways                         |
| `recordings:pruned`      | string  | when old recordings were last looked for; expires when it is time again     |
| `rq:*`                   | RQ's    | background jobs, as RQ names and keeps them: `rq:job:<id>` (hash), the      |
|                          |         | queue `rq:queue:lipstream` (list), `rq:results:<id>`, registries by state  |

All keys of one session share the hash tag `{sid}`, so they live in one slot of a Redis Cluster.
An audio entry's ID is one above its frame because Redis refuses the ID 0-0.
"""

from typing import Final

GROUP: Final = "workers"
"""The consumer group of every stage stream."""

JOBS_QUEUE: Final = "lipstream"
"""What RQ calls the queue of the background jobs."""

JOBS_KEYS: Final = "rq:*"
"""The pattern of all keys that RQ makes."""

JOBS_CHANNELS: Final = "rq:pubsub:*"
"""By which RQ tells its workers to stop a job."""

ALIVE: Final = "alive"
"""The keys of all heartbeats, some of which may have expired."""


def session(sid: str) -> str:
    return f"session:{{{sid}}}"


def session_of(key: str) -> str:
    """The session whose hash a key names."""
    return key.removeprefix("session:{").removesuffix("}")


def segments(sid: str) -> str:
    return f"session:{{{sid}}}:segments"


def audio_ring(sid: str) -> str:
    return f"session:{{{sid}}}:audio"


def audio_entry(frame: int) -> str:
    """ID of a frame's entry in the audio ring."""
    return f"{frame + 1}-0"


def frame_of_entry(entry_id: bytes) -> int:
    """The frame behind an ID of the audio ring."""
    return int(entry_id.split(b"-")[0]) - 1


def frame_ring(sid: str) -> str:
    return f"session:{{{sid}}}:frames"


def blob(sid: str, name: str) -> str:
    return f"blob:{{{sid}}}:{name}"


def stage(name: str, pool: str | None = None) -> str:
    return f"stage:{name}:{pool}" if pool else f"stage:{name}"


def stage_of(stream: str) -> str:
    """The stage whose tasks a stream holds."""
    return stream.split(":")[1]


def dead(stage_name: str) -> str:
    return f"dead:{stage_name}"


def worker(stage_name: str, worker_id: str) -> str:
    return f"worker:{stage_name}:{worker_id}"


def gateway(gateway_id: str) -> str:
    return f"gateway:{gateway_id}"


def gateway_inbox(gateway_id: str) -> str:
    return f"gateway:{gateway_id}:inbox"


def resume_secret() -> str:
    return "secret:resume"


def recordings_pruned() -> str:
    return "recordings:pruned"
