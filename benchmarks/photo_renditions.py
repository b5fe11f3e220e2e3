"""Photo to two renditions, against Pillow's full decode and resize of the same JPEG.

    python -m benchmarks.photo_renditions [--rounds 5]

Prints ratio, milliseconds and peak memory; each side runs in a process of its own, interleaved.
"""

import argparse
import asyncio
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from PIL import Image

SIZE = (4000, 3000)
_REPEATS = 3
_ROUNDS_AT_LEAST = 3


def a_photo() -> bytes:
    """A 12-megapixel JPEG as phones make them: soft shapes, and grain everywhere."""
    dice = Random(1)
    picture = Image.frombytes("RGB", (40, 30), dice.randbytes(3600)).resize(
        SIZE, Image.Resampling.BICUBIC
    )
    grain = Image.frombytes("RGB", (1000, 750), dice.randbytes(2_250_000)).resize(SIZE)
    made = io.BytesIO()
    Image.blend(picture, grain, 0.12).save(made, "JPEG", quality=88)
    return made.getvalue()


def by_pillow(content: bytes) -> None:
    """What one writes without thinking: decode all of it, resize twice, save twice."""
    with Image.open(io.BytesIO(content)) as image:
        full = image.convert("RGB")
    for side in (1600, 480):
        full.resize((side, side * 3 // 4), Image.Resampling.LANCZOS).save(
            io.BytesIO(), "JPEG", quality=82
        )


def by_us(content: bytes) -> None:
    """The renditions and the perceptual hash, as the job makes them."""
    # Imported here, so that the peer's memory is without us.
    from app.services import renditions  # noqa: PLC0415

    asyncio.run(renditions.render(content))


def measure(side: str, path: Path) -> None:
    """In a child: best seconds of a few, peak memory and what of it was there before, in MB."""
    content, act = path.read_bytes(), {"xunhe": by_us, "pillow": by_pillow}[side]
    act(_small())  # whatever is loaded late is loaded now
    before = _peak_mb(reset=True)
    took = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        act(content)
        took.append(time.perf_counter() - started)
    print(min(took), _peak_mb(), before)


def _small() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(made, "JPEG")
    return made.getvalue()


def _peak_mb(*, reset: bool = False) -> float:
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Run both sides in turn and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=["xunhe", "pillow"])
    parser.add_argument("--photo", type=Path)
    given = parser.parse_args()
    if given.side:
        measure(given.side, given.photo)
        return
    results: dict[str, list[list[float]]] = {"xunhe": [], "pillow": []}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(a_photo())
        for _ in range(max(given.rounds, _ROUNDS_AT_LEAST)):
            for side, rounds in results.items():
                command = [sys.executable, "-m", "benchmarks.photo_renditions", "--side", side]
                out = subprocess.run(
                    [*command, "--photo", str(photo)],
                    check=True,
                    capture_output=True,
                    text=True,
                    env=os.environ,
                ).stdout
                rounds.append([float(part) for part in out.split()])
    ours, theirs = (
        statistics.median(seconds for seconds, *_ in rounds) for rounds in results.values()
    )
    peak, before = (
        statistics.median(rounds[part] for rounds in results["xunhe"]) for part in (1, 2)
    )
    print(
        f"photo to two renditions | Pillow full decode + resize | ratio {ours / theirs:.2f} "
        f"(must ≤ 0.65, aim ≤ 0.5) | {ours * 1000:.0f} ms vs {theirs * 1000:.0f} ms | "
        f"memory +{peak - before:.0f} MB (must ≤ 100 MB), whole process {peak:.0f} MB"
    )


if __name__ == "__main__":
    main()
