"""Processors and threads in simulated time, which counts in milliseconds."""

from collections import deque
from heapq import heappop, heappush
from typing import Any

from simpy import Environment, Event


class Cores:
    """Processor sharing: whatever runs gets the same part of `count` cores, and never more than one of them.

    That is what the scheduler of an operating system comes to, over times that are longer than its slices.

    Parameters
    ----------
    drowsy : how many times as long something takes that wakes a core up.

    Attributes
    ----------
    busy_ms : core milliseconds that were spent.
    """

    def __init__(self, env: Environment, count: float, drowsy: float = 1.0) -> None:
        self.busy_ms = 0.0
        self._env, self._count, self._drowsy = env, count, drowsy
        # Everybody gets the same, so one sum tells who is done: what one burst that runs for ever would have got.
        self._given_ms, self._since_ms = 0.0, 0.0
        self._running: list[tuple[float, int, Event]] = []
        self._number = 0
        self._alarm = 0

    def run(self, work_ms: float) -> Event:
        """An event that comes when a burst of so much work is done."""
        done = Event(self._env)
        self._catch_up()
        self._number += 1
        if len(self._running) < self._count:
            work_ms *= self._drowsy
        heappush(self._running, (self._given_ms + work_ms, self._number, done))
        self._set_alarm()
        return done

    @property
    def _rate(self) -> float:
        return min(1.0, self._count / len(self._running)) if self._running else 0.0

    def _catch_up(self) -> None:
        given_ms = (self._env.now - self._since_ms) * self._rate
        self._given_ms += given_ms
        self.busy_ms += given_ms * len(self._running)
        self._since_ms = self._env.now

    def _set_alarm(self) -> None:
        self._alarm += 1
        if self._running:
            left_ms = max(0.0, self._running[0][0] - self._given_ms)
            alarm = self._env.timeout(left_ms / self._rate, self._alarm)
            assert alarm.callbacks is not None
            alarm.callbacks.append(self._ring)

    def _ring(self, alarm: Event) -> None:
        if alarm.value != self._alarm:
            return  # somebody came or left since
        self._catch_up()
        end_ms, _, done = heappop(self._running)
        self._given_ms = end_ms  # what rounding has left undone would never be
        done.succeed()
        self._set_alarm()


class Thread:
    """Does one thing after the other, on cores that it shares with others, or on one of its own.

    Parameters
    ----------
    drowsy : how many times as long something takes that wakes its own core up.

    Attributes
    ----------
    busy_ms : time in which there was something to do, whether a core was free for it or not.
    """

    def __init__(self, env: Environment, cores: Cores | None, drowsy: float = 1.0) -> None:
        self.busy_ms = 0.0
        self._env, self._cores, self._drowsy = env, cores, drowsy
        self._waiting: deque[tuple[float, Event]] = deque()
        self._current: tuple[float, Event] | None = None

    def run(self, work_ms: float) -> Event:
        """An event that comes when everything before it is done, and then so much work."""
        done = Event(self._env)
        if self._current is None:
            self._waiting.append((work_ms if self._cores else work_ms * self._drowsy, done))
            self._next()
        else:
            self._waiting.append((work_ms, done))
        return done

    def _next(self) -> None:
        self._current = None
        if self._waiting:
            work_ms, done = self._waiting.popleft()
            self._current = (self._env.now, done)
            burst = self._cores.run(work_ms) if self._cores else self._env.timeout(work_ms)
            assert burst.callbacks is not None
            burst.callbacks.append(self._finished)

    def _finished(self, _: Any) -> None:
        assert self._current is not None
        begun_ms, done = self._current
        self.busy_ms += self._env.now - begun_ms
        self._next()
        done.succeed()
