"""An hour's worth of malformed messages in a minute: does the gateway grow, does a neighbour notice?

    python -m bench.hostile [--messages 90000] [--json]

Four attackers send what no client should: random bytes and damaged JSON, two of them in `lipstream.v1`, two in the
language of the earlier servers. 90,000 messages are an hour of 25 a second. Beside them a session speaks the sample
over and over; every time its frames must be those of the first time, when it was alone.

The gateway's memory is sampled all the while. Python's free lists and the allocator's arenas fill up at first, so that
growth as such does not tell a leak from a plateau. A leak goes on for as long as the attack does: what counts most is
the growth of the second half. The plateau is judged too, less strictly.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Coroutine, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from statistics import mean
from typing import Any

import psutil
from websockets.asyncio.client import connect as open_socket
from websockets.typing import Subprotocol

from bench.server import URL, running
from lipstream_client import connect
from workers.offline.media import read_audio

ATTACKERS = 4
WARM_UP = 10_000
SECONDS = 2
SAMPLE_S = 0.2
AT_ONCE = 100
"""Every message has its answer; an attacker sends so many and hears as many."""
LEAK_PERCENT = 2.0
"""Growth of the second half that is no plateau any more: 50 bytes a message would reach it."""
PLATEAU_PERCENT = 5.0
"""Growth from the first eighth to the last, 6 MB, that is no warming up any more."""
START = '{"type":"start","avatar":"demo","format":"f32le"}'
EARLIER = '{"type":"list_models"}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=90_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with running():
        report = asyncio.run(_measure(arguments.messages))
    print(json.dumps(report) if arguments.json else "\n".join(f"{name:28}{value}" for name, value in report.items()))
    if not report["neighbour_undisturbed"]:
        raise SystemExit("the neighbour's frames changed")
    if report["second_half_growth_percent"] > LEAK_PERCENT:
        raise SystemExit(f"the gateway leaks: {report['second_half_growth_percent']} % in the second half")
    if report["growth_percent"] > PLATEAU_PERCENT:
        raise SystemExit(f"the gateway grows by {report['growth_percent']} %: more than warming up explains")


async def _measure(messages: int) -> dict[str, Any]:
    alone = await _speak()
    await _beside(_all_attack(WARM_UP))
    samples_mb: list[float] = []
    sampling = asyncio.create_task(_sample(samples_mb))
    heard = await _beside(_all_attack(messages))
    sampling.cancel()
    eighths_mb = [mean(part) for part in _parts(samples_mb, 8)]
    return {
        "messages": messages,
        "rss_mb_by_eighth": [round(part, 1) for part in eighths_mb],
        "growth_percent": _growth(eighths_mb[0], eighths_mb[-1]),
        "second_half_growth_percent": _growth(eighths_mb[4], eighths_mb[-1]),
        "neighbour_utterances": len(heard),
        "neighbour_undisturbed": set(heard) == {alone},
    }


async def _beside(attack: Coroutine[Any, Any, None]) -> list[str]:
    """What a neighbour hears while an attack goes on: a digest an utterance."""
    attacking, heard = asyncio.create_task(attack), []
    while not attacking.done():
        heard.append(await _speak())
    await attacking
    return heard


async def _sample(samples_mb: list[float]) -> None:
    gateway = _gateway()
    while True:
        samples_mb.append(gateway.memory_info().rss / 1e6)
        await asyncio.sleep(SAMPLE_S)


def _parts(samples: Sequence[float], count: int) -> list[Sequence[float]]:
    size = max(1, len(samples) // count)
    return [samples[k * size : (k + 1) * size] for k in range(count)]


def _growth(before: float, after: float) -> float:
    return round(100 * (after / before - 1), 2)


def _gateway() -> psutil.Process:
    """The gateway of the server that was started here."""
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if child.cmdline()[-1] == "gateway")


async def _speak() -> str:
    """A digest of the frames of some seconds of the sample."""
    clip = read_audio(Path(str(files("gateway") / "console" / "sample.flac")))
    digest = sha256()
    async with connect(URL, avatar="demo", sample_rate=clip.rate_hz, pace="lossless") as session:
        await session.send_audio(clip.pcm[: SECONDS * clip.rate_hz * 2])
        await session.end()
        async for frame in session.frames():
            digest.update(frame.picture)
    return digest.hexdigest()


async def _all_attack(messages: int) -> None:
    await asyncio.gather(*(_one_attacks(seed, messages // ATTACKERS) for seed in range(ATTACKERS)))


async def _one_attacks(seed: int, messages: int) -> None:
    rng, is_ours = random.Random(seed), seed % 2 == 0
    async with open_socket(URL, subprotocols=[Subprotocol("lipstream.v1")] if is_ours else None) as socket:
        await socket.send(START if is_ours else EARLIER)
        for _ in range(messages // AT_ONCE):
            await asyncio.gather(*(socket.send(_malformed(rng)) for _ in range(AT_ONCE)))
            for _ in range(AT_ONCE):
                await socket.recv()


def _malformed(rng: random.Random) -> str | bytes:
    """Bytes that are never a multiple of four, which would be audio, or text that is nearly JSON."""
    noise = rng.randbytes(4 * rng.randrange(200) + rng.randrange(1, 4))
    if rng.random() < 0.7:
        return noise
    kind = rng.choice(["begin", "switch", "inference", "get_frame", "?"])
    text = json.dumps({"type": kind, "model_name": noise.hex()})
    cut = rng.randrange(len(text))
    return text[:cut] + rng.choice(["", "{", "\x00", "9" * 30]) + text[cut + rng.randrange(3) :]


if __name__ == "__main__":
    main()
