"""A line over time as SVG; pure."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

WIDTH_PX: Final = 960
HEIGHT_PX: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 40, 40


def plot(values: Sequence[float], fps: int, title: str) -> str:
    """Values of at most 1, one a frame, as an SVG; the lower end of its scale is that of the values."""
    low = min([*values, 0.999])
    across, up = WIDTH_PX - _LEFT - _RIGHT, HEIGHT_PX - _TOP - _BOTTOM
    step = across / max(1, len(values) - 1)
    points = " ".join(
        f"{_LEFT + k * step:.1f},{_TOP + (1 - value) / (1 - low) * up:.1f}" for k, value in enumerate(values)
    )
    marks = [(_TOP + share * up, f"{1 - share * (1 - low):.4f}") for share in (0, 0.25, 0.5, 0.75, 1)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" font-family="sans-serif">',
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="16">{escape(title)}</text>',
        *(
            f'<path d="M{_LEFT} {y:.1f}H{WIDTH_PX - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{text}</text>'
            for y, text in marks
        ),
        f'<text x="{_LEFT}" y="{HEIGHT_PX - 14}" font-size="12">0 s</text>',
        f'<text x="{WIDTH_PX - _RIGHT}" y="{HEIGHT_PX - 14}" font-size="12" text-anchor="end">'
        f"{len(values) / fps:.1f} s</text>",
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
