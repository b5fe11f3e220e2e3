"""Check-in PUT with everything on, against a FastAPI route that validates the same body; and sync.

python -m benchmarks.check_ins [--rounds 3] [--seconds 5]
"""

import argparse
import itertools
import json
import random
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

from benchmarks.served import Served, import_demo, oblige, put_under_load, request, served

CONNECTIONS = 32
SYNC_OF = 100


def bodies(seed: int) -> Iterator[bytes]:
    """Check-ins of one person who walks along the lake, a GPS fix every time."""
    dice = random.Random(seed)
    while True:
        yield json.dumps(
            {
                "at": datetime.now(UTC).isoformat(),
                "position": {
                    "lon": 102.97 + dice.random() * 0.0005,
                    "lat": 24.90 + dice.random() * 0.0005,
                    "accuracy_m": 15,
                    "datum": "wgs84",
                },
                "note": "水清岸绿",
                "photos_expected": 1,
                "device": f"phone-{seed}",
            },
            ensure_ascii=False,
        ).encode()


def puts(path: str, server: Served) -> list[Iterator[bytes]]:
    """An endless line of PUTs for each connection."""
    return [
        (request("PUT", f"{path}{uuid4()}", token, body) for body in bodies(n))
        for n, token in enumerate(server.tokens[:CONNECTIONS])
    ]


def syncs(server: Served) -> Iterator[bytes]:
    """One phone's offline queue after another."""
    for body in _queues():
        yield request("POST", "/api/v1/sync", server.tokens[0], body)


def _queues() -> Iterator[bytes]:
    made = bodies(0)
    while True:
        queue = [
            {"op": "put_check_in", "id": str(uuid4()), "body": json.loads(body)}
            for body in itertools.islice(made, SYNC_OF)
        ]
        yield json.dumps({"operations": queue}).encode()


def main() -> None:
    """Interleave the sides and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    ours, floor, tails, single, together = [], [], [], [], []
    with served("benchmarks.floor:create_app", people=CONNECTIONS, prepare=import_demo) as server:
        oblige(server)
        put_under_load(server.port, puts("/api/v1/check-ins/", server), seconds=1)
        for _ in range(given.rounds):
            load = put_under_load(server.port, puts("/floor/", server), seconds=given.seconds)
            floor.append(load.rate)
            load = put_under_load(
                server.port, puts("/api/v1/check-ins/", server), seconds=given.seconds
            )
            ours.append(load.rate)
            tails.append((load.p50, load.p99))
            one = puts("/api/v1/check-ins/", server)[:1]
            single.append(put_under_load(server.port, one, seconds=given.seconds / 2).rate)
            load = put_under_load(server.port, [syncs(server)], seconds=given.seconds / 2)
            together.append(load.rate * SYNC_OF)
    rate, bottom = statistics.median(ours), statistics.median(floor)
    p50, p99 = (statistics.median(side) for side in zip(*tails, strict=True))
    print(
        f"check-in PUT | validating route without database | ratio {rate / bottom:.2f} "
        f"(must ≥ 0.12, aim ≥ 0.28) | {rate:.0f}/s vs {bottom:.0f}/s"
    )
    print(
        f"its p99 | its p50 | ratio {p99 / p50:.1f} (must ≤ 3, aim ≤ 2) | "
        f"{p99 * 1000:.0f} ms vs {p50 * 1000:.0f} ms"
    )
    alone, queued = statistics.median(single), statistics.median(together)
    print(
        f"sync of {SYNC_OF} | {SYNC_OF} single PUTs | ratio {queued / alone:.1f} × "
        f"(must ≥ 5, aim ≥ 10) | {queued:.0f}/s vs {alone:.0f}/s"
    )


if __name__ == "__main__":
    main()
