"""What a connection has asked of the single-mouth family, for its `stats`."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Tally:
    """Requests so far; times are milliseconds."""

    binary: int = 0
    json: int = 0
    total_ms: float = 0.0

    @property
    def requests(self) -> int:
        return self.binary + self.json

    def as_dict(self) -> dict[str, Any]:
        """The fields of `stats`."""
        requests = max(1, self.requests)
        return {
            "total_requests": self.requests,
            "binary_requests": self.binary,
            "json_requests": self.json,
            "binary_percentage": round(100 * self.binary / requests, 1),
            "average_time_ms": round(self.total_ms / requests, 1),
        }
