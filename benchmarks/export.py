"""A million check-ins as CSV over HTTP, against COPY; and a page of a thousand, against orjson.

python -m benchmarks.export [--rows 1000000] [--rounds 3]
"""

import argparse
import http.client
import statistics
import time
from pathlib import Path

import orjson
import psycopg

from benchmarks.many import fill
from benchmarks.served import Served, served

_PIECE = 1 << 20


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _get(server: Served, path: str) -> tuple[float, int, bytes]:
    """Seconds, lines, and the first piece of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.tokens[0]}"}
    started = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    first = answer.read(_PIECE)
    if answer.status != 200:
        raise RuntimeError(first[:500].decode())
    lines = first.count(b"\n")
    while piece := answer.read(_PIECE):
        lines += piece.count(b"\n")
    connection.close()
    return time.perf_counter() - started, lines, first


def _copy(url: str) -> float:
    """Seconds that COPY takes for the table as it is."""
    started = time.perf_counter()
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY check_ins TO STDOUT") as rows,
    ):
        for _ in rows:
            pass
    return time.perf_counter() - started


def _administer(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE people SET role = 'admin' WHERE code = 'BENCH-0'")


def _exporting(server: Served, rows: int, rounds: int) -> None:
    ours, theirs = [], []
    before = max(_resident_mb(pid) for pid in server.pids)
    for _ in range(rounds):
        theirs.append(_copy(server.database_url))
        took, lines, _ = _get(server, "/api/v1/exports/check-ins.csv")
        if lines != rows + 1:
            raise RuntimeError(f"{lines} lines instead of {rows + 1}")
        ours.append(took)
    after = max(_resident_mb(pid) for pid in server.pids)
    took, floor = statistics.median(ours), statistics.median(theirs)
    print(
        f"export of {rows} check-ins as CSV over HTTP | COPY check_ins TO STDOUT | "
        f"ratio {floor / took:.2f} (must ≥ 0.2, aim ≥ 0.5) | {took:.1f} s vs {floor:.1f} s, "
        f"{rows / took:.0f} rows/s, memory {before:.0f} → {after:.0f} MB"
    )


def _listing(server: Served, rounds: int) -> None:
    ours, floors = [], []
    path = "/api/v1/check-ins?limit=1000"
    for _ in range(10 * rounds):
        took, _, body = _get(server, path)
        ours.append(took)
        answer = orjson.loads(body)
        started = time.perf_counter()
        orjson.dumps(answer)
        floors.append(time.perf_counter() - started)
    took, floor = statistics.median(ours), statistics.median(floors)
    print(
        f"a page of 1000 check-ins | orjson of the same rows in process | "
        f"ratio {took / floor:.1f} (must ≤ 4, aim ≤ 1.5) | "
        f"{took * 1000:.0f} ms vs {floor * 1000:.1f} ms"
    )


def main() -> None:
    """Interleave the sides and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with served("app.main:create_app", people=1, workers=1) as server:
        fill(server.database_url, given.rows)
        _administer(server.database_url)
        _exporting(server, given.rows, given.rounds)
        _listing(server, given.rounds)


if __name__ == "__main__":
    main()
