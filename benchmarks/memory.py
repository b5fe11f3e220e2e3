"""A web process's memory after many requests, against after the first thousand.

python -m benchmarks.memory [--requests 100000]
"""

import argparse
import itertools
from pathlib import Path

from benchmarks.check_ins import CONNECTIONS, puts
from benchmarks.served import import_demo, put_under_load, served

_FIRST = 1_000


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Put a thousand, look, put the rest, look again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    many = parser.parse_args().requests
    with served("app.main:create_app", people=CONNECTIONS, prepare=import_demo) as server:
        sizes = []
        for count in (_FIRST, many - _FIRST):
            lines = [
                itertools.islice(line, count // CONNECTIONS)
                for line in puts("/api/v1/check-ins/", server)
            ]
            put_under_load(server.port, lines, seconds=3600)
            sizes.append(max(_resident_mb(pid) for pid in server.pids))
    print(
        f"memory of a web process after {many} check-ins | after {_FIRST} | "
        f"ratio {sizes[1] / sizes[0]:.2f} (must ≤ 1.1 and ≤ 140 MB) | "
        f"{sizes[1]:.0f} MB vs {sizes[0]:.0f} MB"
    )


if __name__ == "__main__":
    main()
