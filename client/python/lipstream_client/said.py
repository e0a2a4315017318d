"""What a session has said and may have to say again at another gateway; no socket, no clock."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CLEAR: Final = json.dumps({"type": "clear"})


@dataclass(slots=True, eq=False)
class Item:
    """A message to the server.

    `begin` is how many samples were said before it; `number` counts the commands that a server counts.
    """

    message: str | bytes
    kind: Literal["audio", "command", "end", "clear", "passing"]
    begin: int
    samples: int = 0
    number: int = 0
    sent: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Said:
    """Audio and commands in their order, from the first that may be asked for again; for one sender.

    Attributes
    ----------
    sample_bytes : of one sample of the audio.
    audio, commands : samples and commands that were said in all.
    epoch : that of the newest barge-in, be it confirmed or not.
    """

    sample_bytes: int
    audio: int = 0
    commands: int = 0
    epoch: int = 0
    _items: deque[Item] = field(default_factory=deque)
    _sent: int = 0
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def say_audio(self, audio: bytes) -> Item:
        """Whole samples."""
        samples = len(audio) // self.sample_bytes
        item = Item(audio, "audio", self.audio, samples)
        self.audio += samples
        return self._add(item)

    def say(self, kind: str, **fields: Any) -> Item:
        """A message of the protocol."""
        message = json.dumps({"type": kind, **fields})
        if kind == "clear":
            return self._clear(message)
        if kind in ("begin", "flush", "switch"):
            self.commands += 1
            return self._add(Item(message, "command", self.audio, number=self.commands))
        return self._add(Item(message, "end" if kind == "end" else "passing", self.audio))

    @property
    def unsent(self) -> Item | None:
        """The oldest item that is to be sent; `mark` it when it was."""
        return self._items[self._sent] if self._sent < len(self._items) else None

    async def next(self) -> Item:
        """The same; waits for one."""
        while (item := self.unsent) is None:
            self._filled.clear()
            await self._filled.wait()
        return item

    def mark(self, item: Item, *, keep: bool = True) -> None:
        """An item was sent, unless it was taken back meanwhile; without `keep` it will never be asked for again."""
        item.sent.set()
        if self._sent < len(self._items) and self._items[self._sent] is item:
            self._sent += 1
            if not keep:
                self._items.popleft()
                self._sent -= 1

    def forget(self, audio: int, segment: int) -> None:
        """Frames have come: audio before sample `audio` is behind, and commands before sample `segment`."""
        while self._sent:
            item = self._items[0]
            behind = item.begin <= segment if item.kind == "command" else item.kind != "end"
            if not behind or (item.kind == "audio" and item.begin + item.samples > audio):
                return
            self._items.popleft()
            self._sent -= 1

    def go_back(self, audio: int, commands: int, epoch: int) -> None:
        """A server has come as far as sample `audio`, `commands` commands and `epoch`; the rest is to be sent again."""
        again = [item for item in self._items if self._is_due(item, audio, commands)]
        clears = [item for item in self._items if item.kind == "clear"]
        lacking = max(0, self.epoch - epoch)
        clears = [*(Item(CLEAR, "clear", self.audio) for _ in range(lacking - len(clears))), *clears]
        clears = clears[len(clears) - lacking :]
        for item in self._items:
            if item not in again and item not in clears:
                item.sent.set()
        self.epoch = max(self.epoch, epoch)
        self._items, self._sent = deque([*clears, *again]), 0
        if self._items:
            self._filled.set()

    def release(self) -> None:
        """Nothing will be sent any more."""
        for item in self._items:
            item.sent.set()

    def _add(self, item: Item) -> Item:
        self._items.append(item)
        self._filled.set()
        return item

    def _clear(self, message: str) -> Item:
        """A barge-in voids what was said before it, but not a change of avatar, nor the end."""
        self.epoch += 1
        items = list(self._items)
        sent, unsent = items[: self._sent], items[self._sent :]
        switches = [item for item in items if '"switch"' in str(item.message)]
        # No server will ever count what is voided before it was sent.
        self.commands -= sum(item.kind == "command" and item not in switches for item in unsent)
        for number, item in enumerate(switches, self.commands - len(switches) + 1):
            item.number = number
        for item in unsent:
            if item.kind in ("audio", "command") and item not in switches:
                item.sent.set()
        clear = Item(message, "clear", self.audio)
        before = [item for item in sent if item in switches or item.kind == "end"]
        behind = [item for item in unsent if item in switches or item.kind not in ("audio", "command")]
        self._items, self._sent = deque([*before, clear, *behind]), len(before)
        self._filled.set()
        return clear

    def _is_due(self, item: Item, audio: int, commands: int) -> bool:
        """Whether an item is to be sent again; what is behind of a piece of audio is cut off."""
        if item.kind == "command":
            return item.number > commands
        if item.kind != "audio":
            return item.kind == "end"
        if behind := min(item.samples, max(0, audio - item.begin)):
            assert isinstance(item.message, bytes)
            item.message = item.message[behind * self.sample_bytes :]
            item.begin, item.samples = item.begin + behind, item.samples - behind
        return item.samples > 0
