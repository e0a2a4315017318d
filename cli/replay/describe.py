"""A recording in a few words."""

from collections import Counter
from typing import Any

from common.recording.recording import Recording


def describe(recording: Recording) -> dict[str, Any]:
    """What `lipstream recordings show` says."""
    header, footer = recording.header, recording.footer
    counts = Counter(taken.input.input for taken in recording.inputs)
    samples = sum(len(taken.input.data) // 2 for taken in recording.inputs if taken.input.input == "audio")
    return {
        "session": header.session,
        "gateways": ", ".join(dict.fromkeys(each.gateway for each in recording.headers)),
        "version": header.version,
        "duration_s": round(recording.duration_s, 1),
        "audio_s": round(samples / header.sample_rate, 1),
        "sample_rate": header.sample_rate,
        "pace": header.pace,
        "output": header.output,
        "quality": header.quality,
        "provider": header.provider,
        "inputs": ", ".join(f"{count} {name}" for name, count in counts.items()),
        "segments": len(recording.segments),
        "frames": len(recording.frames),
        "concealed": recording.concealed,
        "pictures_kept": any(frame.picture for frame in recording.frames.values()),
        "ended": footer.reason if footer else "broken off, or still going on",
        "whole": recording.is_whole,
        "lost_bytes": recording.lost_bytes,
        "lost_audio_s": round(sum(h.stop - h.start for h in recording.holes) / header.sample_rate, 3),
        "avatars": {name: digest.package for name, digest in recording.digests.items()},
    }
