"""`me/obligations` of people who owe fifty, against the same answer out of memory.

python -m benchmarks.me_obligations [--rounds 3] [--seconds 4]
"""

import argparse
import itertools
import statistics
from collections.abc import Iterator

import psycopg

from benchmarks.served import Served, put_under_load, request, served

CONNECTIONS = 32
OWN, SHARED = 40, 10
CREDITS = 4

# Whoever owes them: forty of their own, ten of their branch; a quarter of all periods each.
_OBLIGATIONS = """
    INSERT INTO obligations (id, code, holder_person_id, holder_organisation_id, area_kind, times,
      period, starts_on, photo)
    SELECT gen_random_uuid(), 'BENCH-' || coalesce(p.code, g.code) || '-' || n, p.id, g.id, 'any',
      (ARRAY[12, 6, 3, 2, 1])[1 + n %% 5],
      (ARRAY['year', 'half_year', 'quarter', 'month', 'week'])[1 + n %% 5], '2025-01-01', 'wanted'
    FROM (SELECT p.id, p.code, NULL::uuid AS organisation_id FROM people p
          WHERE p.code LIKE 'BENCH-%%') p
    FULL JOIN (SELECT id, code FROM organisations WHERE code = 'BENCH') g ON false
    CROSS JOIN generate_series(1, CASE WHEN p.id IS NULL THEN %(shared)s ELSE %(own)s END) n
"""
_MEMBERSHIPS = """
    INSERT INTO memberships (id, person_id, organisation_id, recorded_at)
    SELECT gen_random_uuid(), id, organisation_id, now() FROM people WHERE code LIKE 'BENCH-%'
"""
_PATROLS = """
    INSERT INTO patrols (id, person_id, organisation_id, kind, state, origin, started_at,
      started_on, finished_at, closed_by_us, distance_m, points_kept, points_marked, received_at)
    SELECT gen_random_uuid(), p.id, p.organisation_id, 'foot', 'finished', 'self_made',
      now() - make_interval(days => 20 * n), CAST(now() AS date) - 20 * n, now(), false, 0, 0, 0,
      now()
    FROM people p CROSS JOIN generate_series(0, %(credits)s - 1) n
    WHERE p.code LIKE 'BENCH-%%'
"""
_CREDITS = """
    INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at)
    SELECT b.id, p.started_on, p.id, false, false, now()
    FROM obligations b
    JOIN patrols p ON p.person_id = b.holder_person_id
      OR p.organisation_id = b.holder_organisation_id
    WHERE b.code LIKE 'BENCH-%'
"""


def owe(server: Served) -> None:
    """Fifty obligations for each of the enrolled, with credits, as a year has made them."""
    with psycopg.connect(server.database_url) as connection:
        connection.execute(_MEMBERSHIPS)
        connection.execute(_OBLIGATIONS, {"own": OWN, "shared": SHARED})
        connection.execute(_PATROLS, {"credits": CREDITS})
        connection.execute(_CREDITS)
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def gets(path: str, server: Served) -> list[Iterator[bytes]]:
    """An endless line of GETs for each connection."""
    return [itertools.repeat(request("GET", path, token)) for token in server.tokens[:CONNECTIONS]]


def main() -> None:
    """Interleave the sides and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    given = parser.parse_args()
    sides: dict[str, list[float]] = {"/floor/obligations": [], "/api/v1/me/obligations": []}
    latencies = []
    with served("benchmarks.floor:create_app", people=CONNECTIONS) as server:
        owe(server)
        for path in sides:
            put_under_load(server.port, gets(path, server), seconds=2)
        for _ in range(given.rounds):
            for path, rates in sides.items():
                load = put_under_load(server.port, gets(path, server), seconds=given.seconds)
                rates.append(load.rate)
            alone = gets("/api/v1/me/obligations", server)[:1]
            latencies.append(put_under_load(server.port, alone, seconds=given.seconds / 4).p50)
    floor, ours = (statistics.median(rates) for rates in sides.values())
    print(
        f"me/obligations, {OWN + SHARED} of them | the same answer without database | "
        f"ratio {ours / floor:.2f} | {ours:.0f}/s vs {floor:.0f}/s, "
        f"alone {statistics.median(latencies) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
