"""Token buckets: a rate on average, a burst at once. No clock: every method is told the time."""

from dataclasses import dataclass, field

PRUNE_ABOVE = 1_024


@dataclass(slots=True)
class Bucket:
    """Holds up to `capacity` permits and gains `per_s` a second."""

    capacity: float
    per_s: float
    level: float
    updated_s: float

    def take(self, now_s: float) -> float:
        """Take a permit: 0.0; or, when there is none, the seconds until there will be one."""
        self._refill(now_s)
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.per_s

    def owe(self, now_s: float) -> float:
        """Take a permit even when there is none: the seconds by which that was too early, 0.0 when it was not."""
        self._refill(now_s)
        self.level -= 1
        return max(0.0, -self.level / self.per_s)

    def is_full(self, now_s: float) -> bool:
        """Whether it is as good as new."""
        self._refill(now_s)
        return self.level >= self.capacity

    def _refill(self, now_s: float) -> None:
        self.level = min(self.capacity, self.level + (now_s - self.updated_s) * self.per_s)
        self.updated_s = now_s


@dataclass(slots=True)
class Buckets:
    """A bucket a name, made at need; those that are full again are forgotten, so that strangers cost no memory."""

    capacity: float
    per_s: float
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, name: str, now_s: float) -> float:
        """As `Bucket.take`, of the bucket of that name."""
        if len(self._buckets) > PRUNE_ABOVE:
            self._buckets = {other: b for other, b in self._buckets.items() if not b.is_full(now_s)}
        bucket = self._buckets.setdefault(name, Bucket(self.capacity, self.per_s, self.capacity, now_s))
        return bucket.take(now_s)
