"""Where a frame is, in one sentence."""

import pytest

from cli.inspect.facts import Trace
from cli.inspect.letters import Letter
from cli.inspect.verdict import verdict
from tests.inspection import place, record, slot, task, trace, way

LETTER = Letter("inference", "1-0", task(), {"error": "the model is broken"})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (trace(place=place()), "waits on stage:inference:default for 500 ms, 3 tasks ahead of it"),
        (trace(place=place(live_workers=0)), "3 tasks ahead of it; no inference worker is alive"),
        (trace(place=place(worker="w", idle_ms=70)), "in hand of w (inference) for 70 ms"),
        (trace(place=place(worker="w", idle_ms=70, deliveries=3)), "for 70 ms, delivery 3"),
        (trace(place=place(worker="nobody", deliveries=2)), "handed back on stage:inference:default for another try"),
        (trace(place=place(age_ms=2500.0)), "500 ms past its deadline on stage:inference:default"),
        (trace(place=place(), record=record(epoch=1)), "void since epoch 1 began"),
        (trace(place=place(), record=None), "a task of a session that has ended"),
        (trace(way=way(), slot=slot(9)), "finished: its picture is in the frame ring"),
        (trace(way=way(), slot=slot(105)), "has made room for a later one"),
        (trace(way=way(), slot=None, record=None), "finished; the session has ended since"),
        (trace(way=way(), record=record(epoch=2)), "void: it was finished in epoch 0, and the session is in epoch 2"),
        (trace(way=way(lost="audio: no samples")), "given up at audio: no samples"),
        (trace(way=way(), slot=slot(9), place=place(worker="w")), "finished: its picture is in the frame ring"),
        (trace(way=way(lost="audio: no samples"), place=place()), "waits on stage:inference:default"),
        (trace(letter=LETTER), "given up at inference: the model is broken"),
        (trace(record=None), "the session has ended"),
        (trace(audio=None), "no audio of this session is in its ring"),
        (trace(audio=(0, 8)), "waits for its audio: the newest frame of the audio ring is 8"),
        (trace(audio=(10, 20)), "long gone: the audio ring begins at frame 10"),
        (trace(), "no task is under way"),
    ],
)
def test_the_verdict_names_the_latest_place_that_the_frame_has_reached(found: Trace, said: str) -> None:
    assert said in verdict(found)
