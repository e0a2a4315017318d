"""Whether a session speaks, and so costs the pipeline anything. No clock: every method is told the time."""

from dataclasses import dataclass
from typing import Final

SETTLING_S: Final = 5.0
"""For so long a session that has just come counts as one that speaks: it is about to, and nothing else says so."""
BREATH_S: Final = 1.0
"""Speech goes on over so short a gap."""


@dataclass(slots=True)
class Voice:
    """One session's: when it came, and until when the audio lasts that it has sent."""

    opened_s: float
    lasts_s: float = float("-inf")

    def hear(self, audio_s: float, now_s: float) -> None:
        """So much audio has come; what comes faster than it is spoken counts for as long as it lasts."""
        self.lasts_s = max(now_s, self.lasts_s) + audio_s

    def speaks(self, now_s: float) -> bool:
        """Whether its audio lasts until now."""
        return now_s < self.lasts_s + BREATH_S

    def counts(self, now_s: float) -> bool:
        """Whether the pipeline must reckon with its frames."""
        return now_s < self.opened_s + SETTLING_S or self.speaks(now_s)
