"""Whatever the world is like: JSON is what CSV sums up to is what the reference says."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.models import Role
from app.services import credit_months, credits
from tests.conftest import Client
from tests.databases import taken_back
from tests.factories import a_person, a_token
from tests.reference import duties, reports
from tests.reference.duties import World
from tests.services import duty_rows, duty_worlds
from tests.services.duty_worlds import LONG

ADDED = (
    "duties",
    "holders",
    "owed",
    "due",
    "done",
    "met",
    "pending",
    "on_target",
    "behind",
    "missing",
)


@pytest.fixture
async def admin(session: AsyncSession, client: Client) -> httpx.AsyncClient:
    """Somebody who sees the whole world, and is not of it."""
    return client(await a_token(session, await a_person(session, code="ADMIN", role=Role.admin)))


NAMES = {None: None, "不限地点": reports.ANYWHERE, "其他地点": reports.ELSEWHERE}


def homes(world: World) -> dict[str, str]:
    """Where people belong who are nowhere, as the rows of the world are written."""
    return {
        person.code: person.memberships[-1].organisation if person.memberships else "TOP"
        for person in world.people
    }


def is_plain(world: World) -> bool:
    """Nobody came to two organisations on one day: where they belong then is nobody's business."""
    starts = [[each.first for each in person.memberships] for person in world.people]
    return all(len(set(each)) == len(each) for each in starts)


async def asked(client: httpx.AsyncClient, report: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def figures(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (*ADDED, "rate")}


async def table(client: httpx.AsyncClient, **params: Any) -> list[dict[str, str]]:
    answer = await client.get("/api/v1/reports/patrol-progress", params={**params, "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    made=duty_worlds.worlds(),
    cuts=st.tuples(st.integers(0, LONG), st.integers(0, LONG), st.integers(-3, LONG + 3)),
    by=st.sampled_from(["organisation", "person", "reach", "grid_cell", "stele"]),
    is_noted=st.booleans(),
)
async def test_every_figure_is_the_references(
    made: tuple[World, list[date]],
    cuts: tuple[int, int, int],
    by: str,
    is_noted: bool,
    connection: AsyncConnection,
    session: AsyncSession,
    admin: httpx.AsyncClient,
) -> None:
    world, days = made
    assume(is_plain(world))
    first, last = sorted(days[0] + timedelta(days=n) for n in cuts[:2])
    as_of = days[0] + timedelta(days=cuts[2])
    range_ = {"from": first, "to": last, "as_of": as_of}
    async with taken_back(connection, session):
        await duty_rows.write(session, world)
        await credits.judge_everything(session, now=duty_rows.WRITTEN_AT)
        if is_noted:
            await credit_months.recount(session)
        await session.commit()

        said = await asked(admin, "patrol-progress", by=by, **range_)
        expected = reports.progress(world, by, first, last, as_of, homes(world))
        assert {row["code"] or NAMES[row["name"]]: figures(row) for row in said["rows"]} == {
            key: row.figures() for key, row in expected.items()
        }
        assert all(row["rate"] is None or 0 <= row["rate"] <= 1 for row in said["rows"])
        totals = {name: sum(row[name] for row in said["rows"]) for name in ADDED}
        rate = totals["met"] / totals["owed"] if totals["owed"] else None
        assert said["totals"] == totals | {"rate": rate}

        titles = {each["name"]: each["title"] for each in said["columns"]}
        *lines, total = await table(admin, by=by, **range_)
        assert [line["编码"] for line in lines] == [row["code"] or "" for row in said["rows"]]
        assert total["编码"] == "合计"
        for name in ADDED:
            summed = sum(int(line[titles[name]]) for line in lines)
            assert (summed, int(total[titles[name]])) == (totals[name], totals[name])

        late = await asked(admin, "behind", as_of=as_of)
        assert {
            row["obligation"]: (
                row["owed"], row["due"], row["done"], row["pending"], row["behind"],
                row["since"], row["last_patrol_on"],
            )
            for row in late["rows"]
        } == {
            code: (
                each.owed, each.due, each.done, each.pending, each.due - each.done,
                str(each.since), each.last_patrol_on and str(each.last_patrol_on),
            )
            for code, each in reports.behind(world, as_of).items()
        }  # fmt: skip


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=duty_worlds.worlds(), ago=st.integers(0, LONG))
async def test_months_add_up_to_the_year(
    made: tuple[World, list[date]],
    ago: int,
    connection: AsyncConnection,
    session: AsyncSession,
    admin: httpx.AsyncClient,
) -> None:
    """What was owed, due, walked and met, asked about on one day; whatever was met late too."""
    world, days = made
    as_of = days[-1] + timedelta(days=ago)
    async with taken_back(connection, session):
        await duty_rows.write(session, world)
        await credits.judge_everything(session, now=duty_rows.WRITTEN_AT)
        await session.commit()
        for year in (days[0].year, days[0].year + 1):
            whole = await asked(
                admin, "patrol-progress", **{"from": f"{year}-01-01", "as_of": as_of}
            )
            months = []
            for month in range(1, 13):
                last = duties.last_of_month(year, month)
                range_ = {"from": last.replace(day=1), "to": last, "as_of": as_of}
                months.append(await asked(admin, "patrol-progress", **range_))
            for name in ("owed", "due", "done", "met", "pending"):
                assert sum(each["totals"][name] for each in months) == whole["totals"][name], name
