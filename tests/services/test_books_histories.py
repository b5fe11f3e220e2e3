"""Imports in any order and of anything: after each of them the book is what the records say."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Credit
from app.services import bookkeeping, pairing_duties, standings
from app.settings import PairingDuty, Settings
from tests.services.datasets import LAKE, geojson, imported, line, point, square, written

BEGIN = datetime(2025, 2, 1, 4, tzinfo=UTC)
DAYS = tuple(date(2025, 1, 1) + timedelta(days=40 * n) for n in range(8))
ORGANISATIONS = ("GWH", "HB", "SW", "CUN", "ENT")
PEOPLE = ("P1", "P2", "P3", "P4")
REACHES, CELLS = ("R1", "R2"), ("G1", "G1-1", "G2")
PLACES: tuple[tuple[str, str], ...] = (
    ("any", ""),
    ("reach", "R1"),
    ("reach", "R2"),
    ("grid_cell", "G1"),
    ("grid_cell", "G1-1"),
    ("stele", "JB-01"),
)


def csv(head: str, rows: Sequence[Sequence[Any]]) -> str:
    return head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


class Operator:
    """Somebody who changes the files as chance has it; a row is there most of the time."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311  no secret

    def some(self, *rows: Sequence[Any]) -> list[Sequence[Any]]:
        return [row for row in rows if self.chance.random() < 0.8]

    def span(self) -> tuple[str, str]:
        first, last = sorted(self.chance.sample(DAYS, 2))
        return self.chance.choice(("", str(first))), self.chance.choice(("", "", str(last)))

    def files(self) -> dict[str, str]:
        """Some of the files, in an order in which nothing is named that is not there."""
        pick = self.chance.choice
        made: dict[str, Callable[[], str]] = {
            "organisations.csv": lambda: csv(
                "code,name,kind,parent_code",
                [
                    ("GWH", "示例管委会", "committee", ""),
                    ("HB", "示例环保部门", "department", pick(("GWH", ""))),
                    ("SW", "示例水务部门", "department", pick(("GWH", "HB"))),
                    ("CUN", "示例村", "village", pick(("GWH", "SW"))),
                    ("ENT", "示例度假村", "enterprise", "GWH"),
                ],
            ),
            "people.csv": lambda: csv(
                "code,name,organisation_code,role,party_member,from,to",
                self.some(
                    *((code, code, pick(ORGANISATIONS), "member", "true", *self.span())
                      for code in PEOPLE)
                ),
            ),
            "reaches.geojson": lambda: geojson(
                *(
                    ({"code": code, "name": code, "waterbody_code": pick(("LAKE", "RIVER"))},
                     line((103, 24.9), (103.01, 24.9)))
                    for code in pick((REACHES, REACHES, REACHES[:1]))
                )
            ),
            "grid_cells.geojson": lambda: geojson(
                *(
                    ({"code": code, "name": code, "kind": "general", "organisation_code": "GWH",
                      "parent_code": pick(("G1", "G2", "")) if code == "G1-1" else ""},
                     square(103, 24.9))
                    for code in CELLS
                )
            ),
            "steles.geojson": lambda: geojson(
                ({"code": "JB-01", "name": "碑", "organisation_code": "ENT",
                  "reach_code": pick((*REACHES, ""))}, point(103.005, 24.9))
            ),
            "posts.csv": lambda: csv(
                "code,person_code,kind,area_kind,area_code,deputy_code,from,to",
                self.some(
                    *((code, pick(PEOPLE), "chief",
                       *pick((("", ""), ("waterbody", "RIVER"), *PLACES[1:])),
                       pick((*PEOPLE, "")), *self.span())
                      for code in ("Z1", "Z2"))
                ),
            ),
            "pairings.csv": lambda: csv(
                "department_code,reach_code,village_code,from,to",
                self.some(
                    *((department, reach, village, *self.span())
                      for department in ("HB", "SW")
                      for reach, village in (("R1", "CUN"), ("R2", ""), ("", "CUN")))
                ),
            ),
            "obligations.csv": lambda: csv(
                "code,holder_kind,holder_code,area_kind,area_code,times,period,starts_on,ends_on,"
                "months,kinds",
                self.some(
                    *((code,
                       *pick((*(("person", p) for p in PEOPLE),
                              *(("organisation", o) for o in ORGANISATIONS))),
                       *pick((*PLACES, ("paired", ""))), self.chance.randrange(5),
                       pick(("year", "month", "week")), DAYS[0], self.span()[1],
                       pick(("", "", "3-10", "11-3")), pick(("", "", "foot")))
                      for code in ("O1", "O2", "O3", "O4"))
                ),
            ),
            "exemptions.csv": lambda: csv(
                "code,holder_kind,holder_code,from,to,kind,reason,approved_by",
                self.some(
                    *((code, *pick((("person", "P2"), ("person", "P3"), ("organisation", "HB"))),
                       DAYS[n], DAYS[n + 2], "leave", "病", "P1")
                      for n, code in enumerate(("X1", "X2", "X3")))
                ),
            ),
            "patrols.csv": lambda: csv(
                "code,person_code,on,area_kind,area_code,kind",
                self.some(
                    *((f"L{n}", pick(PEOPLE), DAYS[0] + timedelta(days=n), *pick(PLACES),
                       pick(("foot", "foot", "boat")))
                      for n in range(0, 30, 2))
                ),
            ),
        }  # fmt: skip
        return {name: make() for name, make in made.items() if self.chance.random() < 0.5}

    def settings(self) -> Settings:
        """Now and then others than usual."""
        return Settings(
            _env_file=None,
            count_from=self.chance.choice((None, None, None, date(2025, 1, 12))),
            pairing_duty=self.chance.choice((PairingDuty.department,) * 3 + (PairingDuty.reach,)),
        )


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_import_the_book_is_what_the_records_say(
    session: AsyncSession, tmp_path: Path, seed: int
) -> None:
    operator = Operator(seed)
    whole = Operator(1000 + seed)
    everything = {"waterbodies.geojson": LAKE["waterbodies.geojson"]}
    while len(everything) < 11:
        everything |= whole.files()
    # All of the people at first, since the other files name them.
    everything["people.csv"] = csv(
        "code,name,organisation_code,role,party_member,from,to",
        [
            (code, code, whole.chance.choice(ORGANISATIONS), "member", "true", "", "")
            for code in PEOPLE
        ],
    )
    everything["reaches.geojson"] = geojson(
        *(
            ({"code": code, "name": code, "waterbody_code": "RIVER"}, line((103, 24.9), (103.01, 24.9)))
            for code in REACHES
        )
    )  # fmt: skip
    now, settings = BEGIN, Settings(_env_file=None)
    await imported(session, written(tmp_path / "first", everything), settings, now=now)
    counted = 0
    for n in range(10):
        await standings.refresh(session, now.date())
        now += timedelta(days=operator.chance.choice((0, 1, 30)))
        settings = operator.settings()
        files = operator.files() or {"patrols.csv": everything["patrols.csv"]}
        folder = written(tmp_path / f"later-{n}", files)
        gone = operator.chance.random() < 0.4
        await imported(session, folder, settings, now=now, deactivate_missing=gone, yes=True)
        wrong = [
            each async for each in bookkeeping.faults(session, settings, lambda *_: None, now=now)
        ]
        assert wrong == []
        assert await pairing_duties.changes(session, settings, now=now) == []
        in_force = select(func.count()).select_from(Credit).where(Credit.revoked_at.is_(None))
        counted += await session.scalar(in_force) or 0
        again = await imported(
            session, folder, settings, now=now, deactivate_missing=gone, yes=True
        )
        assert again.changes_nothing
    assert counted > 0
