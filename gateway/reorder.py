"""Frames come from many workers in any order; here they get their order back, within a deadline."""

from dataclasses import dataclass, field

from common.frames import Flag, FrameHeader


@dataclass(slots=True)
class Reorder:
    """The frames of one session that have arrived but not left, and until when each awaited one is waited for.

    Attributes
    ----------
    on_time, late : frames that left with their own picture, and those that were awaited in vain, of all epochs.
    concealed : frames that were late or skipped.
    """

    frame_us: int
    next_frame: int = 0
    epoch: int = 0
    concealed: int = 0
    on_time: int = 0
    late: int = 0
    _arrived: dict[int, bytes] = field(default_factory=dict)
    _deadlines_ms: dict[int, float] = field(default_factory=dict)
    _skipped: set[int] = field(default_factory=set)
    _previous: bytes | None = None

    def expect(self, first: int, count: int, deadline_ms: float) -> None:
        """Frames `first .. first + count` are under way."""
        self._deadlines_ms.update(dict.fromkeys(range(first, first + count), deadline_ms))

    def skip(self, frame: int, now_ms: float) -> None:
        """A frame that is not under way: once those before it have left, it is concealed at once."""
        self.expect(frame, 1, now_ms - 1)
        self._skipped.add(frame)

    @property
    def pending(self) -> int:
        """Frames that have not left, arrived or not."""
        return len(self._deadlines_ms)

    @property
    def awaited(self) -> int:
        """Frames under way that have not arrived."""
        return len(self._deadlines_ms) - len(self._arrived)

    @property
    def oldest_deadline_ms(self) -> float | None:
        """The deadline of the first frame that has not arrived; None without one."""
        return min((ms for frame, ms in self._deadlines_ms.items() if frame not in self._arrived), default=None)

    def missing(self) -> list[int]:
        """The frames under way that have not arrived, in order."""
        return sorted(self._deadlines_ms.keys() - self._arrived.keys())

    def give_up(self, frames: range, now_ms: float) -> None:
        """Frames that will never come: their deadline has passed."""
        for frame in frames:
            if frame in self._deadlines_ms:
                self._deadlines_ms[frame] = min(self._deadlines_ms[frame], now_ms - 1)

    def put(self, frame: int, message: bytes) -> None:
        """A finished frame; repeats, and frames that nobody waits for any more, are ignored."""
        if frame in self._deadlines_ms:
            self._arrived.setdefault(frame, message)

    def pop(self, now_ms: float) -> list[tuple[int, bytes]]:
        """The frames that may leave now, in order.

        A frame past its deadline is concealed: the one before it is repeated under its number, with the flag
        CONCEALED. Where there is none before it, the frame is left out.
        """
        ready = []
        while self.next_frame in self._deadlines_ms:
            frame = self.next_frame
            message = self._arrived.pop(frame, None)
            if message is not None:
                self.on_time += 1
            elif now_ms <= self._deadlines_ms[frame]:
                break
            else:
                self.concealed += 1
                self.late += frame not in self._skipped
                message = self._repeat(frame)
            self._skipped.discard(frame)
            del self._deadlines_ms[frame]
            self.next_frame += 1
            if message is not None:
                self._previous = message
                ready.append((frame, message))
        return ready

    def clear(self, epoch: int, next_frame: int) -> None:
        """Barge-in: forget everything, go on at `next_frame` of `epoch`."""
        self._arrived.clear()
        self._deadlines_ms.clear()
        self._skipped.clear()
        self.epoch, self.next_frame = epoch, next_frame

    def forget(self) -> None:
        """Another avatar follows: no late frame of it is concealed with what came before."""
        self._previous = None

    def _repeat(self, frame: int) -> bytes | None:
        if self._previous is None:
            return None
        header, picture = FrameHeader.unpack(self._previous)
        flags = (header.flags | Flag.CONCEALED) & ~Flag.LAST
        return header._replace(epoch=self.epoch, frame=frame, pts_us=frame * self.frame_us, flags=flags).pack(picture)
