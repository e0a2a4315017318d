"""What Redis holds of a session, against the figures of docs/memory.md."""

from pathlib import Path

from cli.plan.memory import memory_of, payloads_of
from common.avatars.package import default_folder, load
from common.settings import Settings

PAGE = Path(__file__).parents[4] / "docs" / "memory.md"


def test_the_page_and_the_code_say_the_same() -> None:
    text = " ".join(PAGE.read_text().split())
    payloads = payloads_of(load(default_folder(), "demo").manifest)
    whole, mouths = (memory_of(Settings(), payloads, size) for size in (67_700, 9_400))
    assert f"count **{whole.rings / 1e6:.0f} MB a session** of whole frames at 720p" in text
    assert f"({mouths.rings / 1e6:.0f} MB for patches), and 25 MB for the worst moment" in text
    assert 24e6 < whole.rings + whole.under_way < 26.5e6
    assert f"demo: {payloads.columns // 320})" in text, "columns of a frame"
    assert f"demo: {payloads.patch / 1000:.0f} kB" in text


def test_a_larger_ring_takes_more() -> None:
    payloads = payloads_of(load(default_folder(), "demo").manifest)
    more = Settings(frame_ring_slots=192)
    assert memory_of(more, payloads, 60_000).rings > 1.8 * memory_of(Settings(), payloads, 60_000).rings - 1e6
