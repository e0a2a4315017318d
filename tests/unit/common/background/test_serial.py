"""What of RQ's data is read."""

import json
import pickle

import pytest

from common.background.serial import FUNCTION, dumps, loads


def test_calls_of_ours_and_facts_are_read() -> None:
    for value in ([FUNCTION, None, [{"kind": "prune"}], {}], {"done": 3}, None, "text"):
        assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    "call",
    [
        ["os.system", None, ["true"], {}],
        [FUNCTION, "an instance", [{}], {}],
        [FUNCTION, None, [{}, {}], {}],
        [FUNCTION, None, [{}], {"more": 1}],
        [],
    ],
)
def test_a_call_of_anything_else_is_not_read(call: object) -> None:
    with pytest.raises(ValueError, match="none of Lipstream's"):
        loads(json.dumps(call).encode())


def test_nothing_is_ever_unpickled() -> None:
    with pytest.raises(ValueError, match=r"utf-8|Expecting"):
        loads(pickle.dumps((FUNCTION, None, [{}], {})))
