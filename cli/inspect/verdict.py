"""In one sentence: where a frame is, and what it waits for; pure."""

from cli.inspect.facts import Place, Trace, Way
from common import keys
from common.streams import NOBODY


def verdict(found: Trace) -> str:
    """What an operator wants to hear first. The latest place that a frame has reached counts."""
    way = found.way if found.way and (found.record is None or found.way.epoch == found.record.epoch) else None
    # A task is acknowledged after its result is published, and may be tried again after it was given up.
    if found.place is not None and (way is None or way.lost):
        return _unfinished(found, found.place)
    if way is not None:
        return _finished(found, way)
    if found.letter is not None:
        return f"given up at {found.letter.stage}: {found.letter.error}"
    if found.record is None:
        return "the session has ended, and nothing of the frame is left"
    if found.way is not None:
        return f"void: it was finished in epoch {found.way.epoch}, and the session is in epoch {found.record.epoch}"
    return _no_task(found)


def _unfinished(found: Trace, place: Place) -> str:
    stage, task = keys.stage_of(place.stream), place.task
    if found.record is None:
        return f"a task of a session that has ended: the next {stage} worker that takes it drops it"
    if task.epoch != found.record.epoch:
        return f"void since epoch {found.record.epoch} began: the next {stage} worker that takes it drops it"
    if place.left_ms < 0:
        where = f"{-place.left_ms:.0f} ms past its deadline on {place.stream}"
    elif place.worker == NOBODY:
        where = f"handed back on {place.stream} for another try, after delivery {place.deliveries}"
    elif place.worker:
        tries = f", delivery {place.deliveries}" if place.deliveries > 1 else ""
        where = f"in hand of {place.worker} ({stage}) for {place.idle_ms} ms{tries}"
    else:
        where = f"waits on {place.stream} for {place.age_ms:.0f} ms, {place.ahead} tasks ahead of it"
    return where if place.live_workers else f"{where}; no {stage} worker is alive"


def _finished(found: Trace, way: Way) -> str:
    if way.lost:
        return f"given up at {way.lost}"
    if found.slot is not None and (found.slot.frame, found.slot.epoch) == (found.frame, way.epoch):
        return "finished: its picture is in the frame ring"
    if found.record is None:
        return "finished; the session has ended since, and its rings are gone"
    return "finished: its picture was in the frame ring, and has made room for a later one"


def _no_task(found: Trace) -> str:
    if found.audio is None:
        return "no audio of this session is in its ring: it has not spoken yet, or not for long"
    first, last = found.audio
    if found.frame > last:
        return f"waits for its audio: the newest frame of the audio ring is {last}"
    if found.frame < first:
        return f"long gone: the audio ring begins at frame {first}"
    return (
        "its audio is in the ring and no task is under way: it waits for audio behind it (the model's look-ahead), for "
        "earlier frames to leave, or it was dropped (barge-in, deadline)"
    )
