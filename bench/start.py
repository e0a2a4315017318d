"""How long a session takes to begin: connect -> the first idle frame, on a warm server.

    python -m bench.start [--times 30] [--json]

`lipstream up` runs as a user starts it; the gateway sends the idle loop. The first session, which encodes the template,
is left out.
"""

import argparse
import asyncio
import json
import time
from statistics import median, quantiles

from bench.server import URL, running
from lipstream_client import connect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with running():
        times_ms = asyncio.run(_times_ms(arguments.times))
    report = {"times": len(times_ms), "p50_ms": round(median(times_ms), 1), "p95_ms": round(_p95(times_ms), 1)}
    text = f"first idle frame      p50 {report['p50_ms']}, p95 {report['p95_ms']} ms"
    print(json.dumps(report) if arguments.json else text)


async def _times_ms(times: int) -> list[float]:
    await _first_frame_ms()
    return [await _first_frame_ms() for _ in range(times)]


async def _first_frame_ms() -> float:
    begun_s = time.perf_counter()
    async with connect(URL, idle="server") as session:
        async for _ in session.frames():
            return (time.perf_counter() - begun_s) * 1000
    raise SystemExit("the session ended without a frame")


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[18]


if __name__ == "__main__":
    main()
