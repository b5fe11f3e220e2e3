"""An import respects what managers edited after its files were written."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.errors import NotFound
from app.models import (
    AuditEntry,
    ConflictState,
    Exemption,
    ExemptionState,
    Letter,
    Membership,
    Obligation,
    Organisation,
    Pairing,
    Person,
    Post,
    RosterConflict,
)
from app.services import edits, people, roster_conflicts
from app.services.access import Caller
from app.services.dataset.faults import BadDataset
from app.settings import Settings
from tests import databases
from tests.conftest import Client
from tests.factories import a_token
from tests.services.datasets import LAKE, counts, imported, without, written

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
P2 = {
    "name": "示例乙", "phone": "19900000002", "organisation_code": "HB", "role": "member",
    "party_member": True, "from": "2025-01-01", "reason": "更正",
}  # fmt: skip
O2 = {
    "holder_kind": "person", "holder_code": "P2", "area_kind": "grid_cell", "area_code": "G1-1",
    "times": 2, "period": "month", "starts_on": "2025-01-01", "ends_on": "2026-12-31",
    "months": "11-3", "min_minutes": 20, "min_metres": 500, "kinds": ["foot", "boat"],
    "photo": "required", "reason": "更正",
}  # fmt: skip

Put = Callable[..., Awaitable[None]]


@pytest.fixture
async def folder(session: AsyncSession, tmp_path: Path) -> Path:
    """The lake, imported from files that were written an hour ago."""
    folder = written(tmp_path / "lake", LAKE)
    age(folder, NOW - HOUR)
    await imported(session, folder, now=NOW)
    await session.commit()
    return folder


@pytest.fixture
async def manager(session: AsyncSession, folder: Path, client: Client) -> httpx.AsyncClient:
    """P1, who manages everybody in the files."""
    assert folder.is_dir()
    return client(await a_token(session, await person(session, "P1")))


@pytest.fixture
def put(manager: httpx.AsyncClient) -> Put:
    """Edit over the API, now."""

    async def edit(path: str, **body: Any) -> None:
        response = await manager.put(f"/api/v1/{path}", json=body)
        assert response.status_code in {200, 201}, response.text

    return edit


def age(folder: Path, at: datetime) -> None:
    """As if the files had been written then."""
    for path in folder.iterdir():
        os.utime(path, (at.timestamp(), at.timestamp()))


def rewrite(folder: Path, name: str, text: str, at: datetime = NOW - HOUR) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    os.utime(folder / name, (at.timestamp(), at.timestamp()))


async def again(session: AsyncSession, folder: Path, **options: Any) -> Any:
    summary = await imported(session, folder, now=datetime.now(UTC), **options)
    await session.commit()
    return summary


async def person(session: AsyncSession, code: str) -> Person:
    query = select(Person).where(Person.code == code)
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def conflicts(session: AsyncSession) -> list[RosterConflict]:
    query = select(RosterConflict).order_by(RosterConflict.stem, RosterConflict.place)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def decide(session: AsyncSession, take: bool) -> None:
    """P1 decides about the one conflict that there is."""
    by = Caller(person=await person(session, "P1"))
    (open_,) = await roster_conflicts.open_(session, by, limit=10, now=datetime.now(UTC))
    await roster_conflicts.decide(
        session, by, open_.conflict.id, Settings(_env_file=None), take=take,
        version=open_.row.version, reason="核对过", now=datetime.now(UTC),
    )  # fmt: skip
    await session.commit()


async def imports(session: AsyncSession) -> int:
    query = select(func.count()).where(AuditEntry.action == "dataset.import")
    return await session.scalar(query) or 0


async def test_what_was_edited_after_the_file_stays_and_is_listed(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"phone": "19900000099"})
    text = LAKE["people.csv"].replace("示例丙", "示例丙丙")
    rewrite(folder, "people.csv", text)

    summary = await again(session, folder)

    edited, other = await person(session, "P2"), await person(session, "P3")
    assert (edited.phone, other.name) == ("19900000099", "示例丙丙")
    assert counts(summary)["people.csv"] == (0, 1, 1, 0)
    (conflict,) = await conflicts(session)
    assert (conflict.stem, conflict.row_id, conflict.place, conflict.state) == (
        "people", edited.id, "people.csv:3", ConflictState.open,
    )  # fmt: skip
    assert conflict.said is not None
    assert (conflict.said["phone"], conflict.said["from"]) == ("19900000002", "2025-01-01")
    assert conflict.edited_by_id == (await person(session, "P1")).id
    told = [line for line in summary.lines() if line.startswith("people.csv:3: P2：示例甲于")]
    assert len(told) == 1
    assert told[0].endswith("改过，晚于文件，没有覆盖（手机号）")
    assert "199" not in told[0]
    entry = await session.scalar(
        select(AuditEntry)
        .where(AuditEntry.action == "dataset.import")
        .order_by(AuditEntry.at.desc())
        .limit(1)
    )
    assert entry is not None
    assert (entry.after or {})["conflicts"] == told


async def test_the_same_files_again_change_nothing_and_tell_it_again(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    first = await again(session, folder)
    found, told = await conflicts(session), await imports(session)

    second = await again(session, folder)

    assert [str(each) for each in second.conflicts] == [str(each) for each in first.conflicts]
    assert second.changes_nothing
    assert [(one.id, one.found_at) for one in await conflicts(session)] == [
        (one.id, one.found_at) for one in found
    ]
    assert await imports(session) == told


async def test_a_newer_file_overwrites_as_before_and_settles_the_conflict(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    await again(session, folder)
    assert len(await conflicts(session)) == 1
    age(folder, datetime.now(UTC) + HOUR)

    summary = await again(session, folder)

    assert (await person(session, "P2")).title is None
    assert (summary.conflicts, await conflicts(session)) == ([], [])


@pytest.mark.parametrize(("hours", "title"), [(1, None), (-1, "组长")])
async def test_the_operator_may_say_when_the_files_were_written(
    session: AsyncSession, folder: Path, put: Put, hours: int, title: str | None
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    age(folder, datetime.now(UTC) - hours * HOUR)

    await again(session, folder, written_at=datetime.now(UTC) + hours * HOUR)

    assert (await person(session, "P2")).title == title


async def test_an_edit_that_says_what_the_file_says_is_no_conflict(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    await put("obligations/O2", **O2 | {"times": 3})
    rewrite(folder, "people.csv", LAKE["people.csv"].replace("true,,,2025", "true,组长,,2025"))
    text = LAKE["obligations.csv"].replace("G1-1,2,month", "G1-1,3,month")
    rewrite(folder, "obligations.csv", text)

    summary = await again(session, folder)

    assert (summary.conflicts, summary.changes_nothing) == ([], True)


async def test_columns_that_the_file_does_not_have_are_no_conflict(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长", "phone": "19900000099"})
    rewrite(
        folder,
        "people.csv",
        "code,name,organisation_code,role,party_member\nP2,示例乙,HB,member,true\n",
    )

    assert (await again(session, folder)).conflicts == []
    edited = await person(session, "P2")
    assert (edited.title, edited.phone) == ("组长", "19900000099")


async def test_whoever_a_manager_made_or_edited_is_not_missing(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P9", **P2 | {"name": "示例壬", "phone": None})
    await put("people/P2", **P2 | {"title": "组长"})
    rewrite(folder, "people.csv", without(LAKE["people.csv"], "P2", "P3"))

    with pytest.raises(BadDataset, match="要停用 1 行，而在用的共 4 行"):
        await imported(session, folder, now=datetime.now(UTC), deactivate_missing=True)
    summary = await again(session, folder, deactivate_missing=True, yes=True)

    states = {code: (await person(session, code)).retired_on for code in ("P1", "P2", "P3", "P9")}
    assert [code for code, day in states.items() if day is not None] == ["P3"]
    assert [(one.code, one.said) for one in summary.conflicts] == [("P2", None), ("P9", None)]
    assert str(summary.conflicts[0]).endswith("没有覆盖（文件里没有这一行）")
    # An import that is not asked for what is missing has nothing to say about it.
    await again(session, folder)
    assert [one.said for one in await conflicts(session)] == [None, None]
    await decide_all(session)
    assert (await person(session, "P9")).retired_on is not None


async def decide_all(session: AsyncSession) -> None:
    """P1 takes the files' word for everything."""
    by = Caller(person=await person(session, "P1"))
    for each in await roster_conflicts.open_(session, by, limit=10, now=datetime.now(UTC)):
        await roster_conflicts.decide(
            session, by, each.conflict.id, Settings(_env_file=None), take=True,
            version=each.row.version, reason="核对过", now=datetime.now(UTC),
        )  # fmt: skip
    await session.commit()


async def test_whoever_was_taken_off_the_roster_does_not_come_back(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"retired": True})

    summary = await again(session, folder)

    assert (await person(session, "P2")).retired_on is not None
    assert str(summary.conflicts[0]).endswith("（是否在用）")
    await decide(session, take=True)
    assert (await person(session, "P2")).retired_on is None


async def test_somebody_who_changed_organisation_stays_there(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"organisation_code": "CUN", "from": "2026-03-01"})

    await again(session, folder)

    edited = await person(session, "P2")
    village = await session.scalar(select(Organisation.id).where(Organisation.code == "CUN"))
    terms = await session.execute(
        select(Membership.organisation_id == village, Membership.from_on, Membership.to_on)
        .where(Membership.person_id == edited.id, Membership.revoked_at.is_(None))
        .order_by(Membership.from_on)
    )
    assert edited.organisation_id == village
    assert [tuple(row) for row in terms] == [
        (False, date(2025, 1, 1), date(2026, 2, 28)),
        (True, date(2026, 3, 1), None),
    ]


async def test_a_pairing_that_pairs_another_reach_is_not_made_anew(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    (old,) = (await session.scalars(select(Pairing))).all()
    await put(
        f"pairings/{old.id}", department_code="HB", village_code="CUN", reason="只联系村",
        **{"from": "2025-01-01"},
    )  # fmt: skip

    summary = await again(session, folder, deactivate_missing=True, yes=True)

    query = select(Pairing).execution_options(populate_existing=True)
    (only,) = (await session.scalars(query)).all()
    assert (only.id, only.reach_id, only.retired_on) == (old.id, None, None)
    assert [(one.code, one.differing) for one in summary.conflicts] == [("HB CUN", ["reach_code"])]
    await decide(session, take=True)
    assert (await again(session, folder)).changes_nothing


async def test_posts_duties_leave_and_letters_are_respected_alike(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("posts/Z2", person_code="P2", kind="liaison", reason="改任")
    await put("obligations/O2", **O2 | {"kinds": ["foot"]})
    leave = (await session.scalars(select(Exemption.id))).one()
    # Nobody decides about their own leave; P1 manages P2.
    await put(f"exemptions/{leave}", state="declined", reason="已回岗")
    await put(
        "letters/ZRS-1", organisation_code="ENT", person_code="P3", signed_on="2026-01-06",
        starts_on="2026-01-01", ends_on="2026-12-31", reason="更正",
    )  # fmt: skip

    summary = await again(session, folder)

    assert {one.code: tuple(one.differing) for one in summary.conflicts} == {
        "Z2": ("kind", "area_kind", "area_code"),
        "ZRS-1": ("signed_on",),
        "O2": ("kinds",),
        "X1": ("approved_by", "state"),
    }
    post = (await session.scalars(select(Post).where(Post.code == "Z2"))).one()
    duty = (await session.scalars(select(Obligation).where(Obligation.code == "O2"))).one()
    letter = (await session.scalars(select(Letter))).one()
    state = await session.scalar(select(Exemption.state))
    assert (post.kind, duty.kinds, letter.signed_on, state) == (
        "liaison", ["foot"], date(2026, 1, 6), ExemptionState.declined,
    )  # fmt: skip
    await decide_all(session)
    for one in (post, duty, letter):
        await session.refresh(one)
    state = await session.scalar(select(Exemption.state))
    assert (post.kind, duty.kinds, letter.signed_on, state) == (
        "grid_worker", ["foot", "boat"], date(2026, 1, 5), ExemptionState.granted,
    )  # fmt: skip
    # Who approved is now who took it; the file's word about that is not asked for again.
    assert (await again(session, folder)).conflicts == []


async def test_a_sheet_of_a_workbook_is_as_old_as_the_workbook(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    (folder / "people.csv").unlink()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "人员"
    for line in LAKE["people.csv"].splitlines():
        sheet.append(line.split(","))
    book.save(folder / "dataset.xlsx")
    await put("people/P2", **P2 | {"title": "组长"})
    age(folder, NOW - HOUR)

    old = await again(session, folder)
    age(folder, datetime.now(UTC) + HOUR)
    new = await again(session, folder)

    assert [one.place for one in old.conflicts] == ["dataset.xlsx[人员]:3"]
    assert (new.conflicts, (await person(session, "P2")).title) == ([], None)


async def test_a_dry_run_lists_them_and_writes_nothing(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    told = await imports(session)

    summary = await again(session, folder, dry_run=True)

    assert [one.code for one in summary.conflicts] == ["P2"]
    assert any(line.startswith("people.csv:3: P2") for line in summary.lines())
    assert (await conflicts(session), await imports(session)) == ([], told)
    assert (await person(session, "P2")).title == "组长"


async def test_what_was_kept_is_not_asked_again_until_the_file_says_something_new(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    await again(session, folder)
    await decide(session, take=False)

    assert (await again(session, folder)).conflicts == []
    assert (await person(session, "P2")).title == "组长"
    rewrite(folder, "people.csv", LAKE["people.csv"].replace("true,,,2025", "true,队长,,2025"))
    assert [one.code for one in (await again(session, folder)).conflicts] == ["P2"]
    assert (await person(session, "P2")).title == "组长"


async def test_what_was_taken_and_edited_again_is_asked_again(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P2", **P2 | {"title": "组长"})
    await again(session, folder)
    await decide(session, take=True)
    assert (await person(session, "P2")).title is None
    await put("people/P2", **P2 | {"title": "组长"})

    assert [one.code for one in (await again(session, folder)).conflicts] == ["P2"]
    assert (await person(session, "P2")).title == "组长"


async def test_a_phone_that_a_manager_gave_away_stays_given(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    """P2 gave the phone to P3 over the API; the old file has it with P2 still."""
    await put("people/P2", **P2 | {"phone": None})
    await put(
        "people/P3", name="示例丙", phone="19900000002", organisation_code="ENT", role="member",
        party_member=False, reason="换号",
    )  # fmt: skip

    summary = await again(session, folder)

    assert [one.code for one in summary.conflicts] == ["P2", "P3"]
    assert (await person(session, "P3")).phone == "19900000002"


@examples(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
)
async def test_a_row_says_what_the_last_word_about_it_was(
    connection: AsyncConnection, session: AsyncSession, folder: Path,
    plans: list[tuple[bool, bool]], is_newer: bool, is_dry: bool,
) -> None:  # fmt: skip
    """Whoever is edited and whatever the file says: the later one counts, and only it is told."""
    before = {"P1": "主任", "P2": None, "P3": None}
    rosters = dict(zip(before, LAKE["people.csv"].splitlines()[1:], strict=True))
    async with databases.taken_back(connection, session):
        by = Caller(person=await person(session, "P1"))
        lines, expected, disputed = [LAKE["people.csv"].splitlines()[0]], {}, []
        for (code, line), (is_edited, is_filed) in zip(rosters.items(), plans, strict=True):
            cells = line.split(",")
            said = dict(zip(lines[0].split(","), cells, strict=True))
            if is_edited:
                wish = edits.Wish(said | {"title": "改过"}, "更正")
                await people.put(session, by, code, wish, now=datetime.now(UTC))
            filed = "文件" if is_filed else before[code]
            cells[6] = filed or ""
            lines.append(",".join(cells))
            wins = is_edited and not is_newer
            expected[code] = "改过" if is_edited and (wins or is_dry) else filed
            if is_dry and not is_edited:
                expected[code] = before[code]
            if wins:
                disputed.append(code)
        at = datetime.now(UTC) + (HOUR if is_newer else -HOUR)
        rewrite(folder, "people.csv", "\n".join(lines) + "\n", at)
        summary = await imported(session, folder, now=datetime.now(UTC), dry_run=is_dry)
        assert [one.code for one in summary.conflicts] == disputed
        assert {code: (await person(session, code)).title for code in before} == expected
        assert len(await conflicts(session)) == (0 if is_dry else len(disputed))


async def test_nobody_decides_about_what_is_not_theirs(
    session: AsyncSession, folder: Path, put: Put
) -> None:
    await put("people/P3", name="示例丙", organisation_code="ENT", role="manager",
              party_member=False, reason="主持")  # fmt: skip
    await put("people/P2", **P2 | {"title": "组长"})
    await again(session, folder)
    by = Caller(person=await person(session, "P3"))
    (other,) = [one for one in await conflicts(session) if one.place == "people.csv:3"]

    mine = await roster_conflicts.open_(session, by, limit=10, now=datetime.now(UTC))
    with pytest.raises(NotFound):
        await roster_conflicts.decide(
            session, by, other.id, Settings(_env_file=None), take=False, version="",
            reason="不是我的", now=datetime.now(UTC),
        )  # fmt: skip

    assert [each.row.said["code"] for each in mine] == ["P3"]
    assert [one.state for one in await conflicts(session)] == [ConflictState.open] * 2
