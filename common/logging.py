"""One log format for every process; payloads and audio never go to the log."""

import logging


def configure(level: str) -> None:
    """Log to stderr from `level` on."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S", force=True
    )
