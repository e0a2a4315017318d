"""How jobs stand in Redis: as JSON, never pickled, and of one function alone.

RQ imports and calls whatever function a job names, with whatever arguments. Here a job that names another one than ours
is not read, so that who can write to Redis cannot make a worker run what they like.
"""

from typing import Any, Final

from rq.serializers import JSONSerializer

FUNCTION: Final = "workers.jobs.horse.run"


def dumps(value: Any) -> bytes:
    """JSON."""
    return JSONSerializer.dumps(value)  # type: ignore[no-untyped-call, no-any-return]


def loads(data: bytes) -> Any:
    """The JSON value; a list is a call: function, instance, arguments, named arguments.

    Raises
    ------
    ValueError
        Not JSON, or a call of something else than `FUNCTION` with one argument.
    """
    value = JSONSerializer.loads(data)  # type: ignore[no-untyped-call]
    if isinstance(value, list):
        match value:
            case [function, None, [_], named] if function == FUNCTION and not named:
                return value
        raise ValueError("this job is none of Lipstream's")
    return value
