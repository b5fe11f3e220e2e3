"""Random histories of all that reports look at, and what reports said on the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import httpx
from hypothesis import strategies as st
from sqlalchemy import select

from app import clock, models
from app.services import credit_months, credits, visit_days
from tests.conftest import Lake, Member
from tests.pictures import a_jpeg
from tests.services import duty_histories, visit_histories
from tests.services.duty_histories import History, Step
from tests.services.visit_histories import Deed

PAPER = a_jpeg(9, (64, 48))
Question = tuple[int, int, int]
# Deeds, the moments after which is asked, and what is asked for.
histories = st.tuples(
    st.lists(
        st.tuples(*(st.integers(0, most) for most in (32, 3, 4, 6, 7))), min_size=12, max_size=36
    ),
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(-20, 40)),
        min_size=3,
        max_size=3,
    ),
)

# What nobody keeps (docs/decisions/0022 and 0029): how long an outing was known to be, and by which
# way people could be reached.
NOT_KEPT: Mapping[str, frozenset[str]] = {
    "patrol-progress": frozenset(),
    "coverage": frozenset(),
    "effort": frozenset({"km", "hours"}),
    "behind": frozenset(
        {
            "reachable",
            "reachable_by",
            "unreachable_because",
            "call_id",
            "contact",
            "contact_name",
            "reachable_holders",
        }
    ),
}
ASKED: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("patrol-progress", {"by": "organisation"}),
    ("patrol-progress", {"by": "person"}),
    ("patrol-progress", {"by": "reach"}),
    ("patrol-progress", {"organisation": "EAST"}),
    ("behind", {}),
    ("behind", {"organisation": "WEST"}),
    ("coverage", {}),
    ("effort", {"by": "organisation"}),
    ("effort", {"by": "person", "organisation": "EAST"}),
    ("effort", {"by": "reach"}),
    ("effort", {"by": "grid_cell", "organisation": "WEST"}),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A report as it was answered at a moment."""

    at: datetime
    report: str
    params: Mapping[str, str]
    answer: Mapping[str, Any]


async def ask(
    client: httpx.AsyncClient, report: str, params: Mapping[str, str]
) -> Mapping[str, Any]:
    """Rows and totals, without what is not kept."""
    answer = await client.get(f"/api/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    said, without = answer.json(), NOT_KEPT[report]
    kept = [
        {name: value for name, value in row.items() if name not in without}
        for row in (*said["rows"], said["totals"])
    ]
    return {"rows": kept[:-1], "totals": kept[-1]}


def params_of(question: Question, today: date) -> dict[str, str]:
    """Days about the histories' own, and a day as of which, which may be to come."""
    begins, lasts, since = question
    first = date(2025, 12, 1) + timedelta(days=begins)
    return {
        "from": str(first),
        "to": str(first + timedelta(days=lasts)),
        "as_of": str(today - timedelta(days=since)),
    }


async def ask_all(client: httpx.AsyncClient, history: History, question: Question) -> list[Said]:
    """All reports about the same days."""
    days = params_of(question, clock.day_of(history.now))
    return [
        Said(history.now, report, {**days, **more}, await ask(client, report, {**days, **more}))
        for report, more in ASKED
    ]


async def make_duty(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """One that was not there, for an organisation or a person; half of them want a photo."""
    is_persons = c % 2 == 0
    return await duty_histories.edit(
        history,
        f"obligations/N{history.made}",
        {
            "holder_kind": "person" if is_persons else "organisation",
            "holder_code": history.people[a % len(history.people)].person.code
            if is_persons
            else ("EAST", "WEST", "GWH")[a % 3],
            "area_kind": "any" if d % 2 else "grid_cell",
            "area_code": None if d % 2 else "G-0",
            "times": 1 + b,
            "period": ("week", "month", "year")[c % 3],
            "starts_on": "2025-12-01",
            "photo": ("required", "wanted")[d // 4],
        },
    )


async def photograph_newest(
    history: History, a: int, _b: int, _c: int, _d: int
) -> httpx.Response | None:
    """A photo of its own of one of the latest check-ins: a duty that asks for one may count it."""
    if not history.check_ins:
        return None
    who, url = history.check_ins[-1 - a % min(3, len(history.check_ins))]
    history.made += 1
    answer = await who.client.post(
        f"{url}/photos",
        data={"id": history.new_id()},
        files={"file": ("a.jpg", a_jpeg(100 + history.made, (64, 48)), "image/jpeg")},
    )
    assert answer.status_code == 201, answer.text
    return answer


async def retire_a_place(history: History, a: int, b: int, _c: int, _d: int) -> None:
    """A reach, a stele or an organisation, from a day on or not after all, as an import does."""
    row: Any = await history.session.scalar(
        (
            select(models.Reach).where(models.Reach.code == "R-1"),
            select(models.Stele).where(models.Stele.code == "JB-01"),
            select(models.Stele).where(models.Stele.code == "JB-02"),
            select(models.Organisation).where(models.Organisation.code == "ENT"),
        )[a]
    )
    days = timedelta(days=3 * b)
    row.retired_on = clock.day_of(history.now) - days if b < 3 else None
    await history.session.flush()
    await credits.judge_everything(history.session, now=history.now)
    await history.session.commit()


async def withdraw_paper(history: History, a: int, b: int, _c: int, _d: int) -> None:
    """A row of patrols.csv that an operator took out, or put back."""
    rows = (
        await history.session.scalars(
            select(models.Patrol)
            .where(models.Patrol.origin == models.PatrolOrigin.paper)
            .order_by(models.Patrol.received_at, models.Patrol.id)
            .execution_options(populate_existing=True)
        )
    ).all()
    if rows:
        patrol = rows[-1 - a % len(rows)]
        patrol.retired_on = clock.day_of(history.now) if b < 3 else None
        await history.session.flush()
        await credits.judge(history.session, [patrol.id], now=history.now)
        await history.session.commit()


async def count_again(history: History, _a: int, _b: int, _c: int, _d: int) -> None:
    """What the worker does each minute: roll-ups answer what was not changed since."""
    await credit_months.recount(history.session)
    await visit_days.recount(history.session)
    await history.session.commit()


DEEDS: tuple[Deed, ...] = (
    *(duty_histories.check_in,) * 5,
    *(duty_histories.start,) * 2,
    *(duty_histories.finish,) * 2,
    *(duty_histories.review,) * 3,
    duty_histories.photograph,
    *(photograph_newest,) * 2,
    *(duty_histories.decline,) * 2,
    duty_histories.walk,
    duty_histories.amend,
    duty_histories.close_overdue,
    *(duty_histories.give_leave,) * 2,
    duty_histories.move_house,
    *(duty_histories.change_duty,) * 2,
    duty_histories.change_post,
    duty_histories.pair,
    make_duty,
    retire_a_place,
    visit_histories.withdraw,
    visit_histories.from_paper,
    withdraw_paper,
    count_again,
)


async def take(history: History, step: Step) -> None:
    """One step, some time after the last."""
    kind, a, b, c, d = step
    history.pass_time((0.25, 1, 5, 14, 30)[b % 5])
    await DEEDS[kind % len(DEEDS)](history, a, b, c, d)
    await history.date_versions()


async def live(
    history: History, steps: list[Step], questions: list[Question], asker: Member, lake: Lake
) -> list[Said]:
    """Take the steps, and ask at as many moments as there are questions on the way."""
    await visit_histories.share(history, lake)
    await history.date_versions()
    said = []
    for n, step in enumerate(steps):
        await take(history, step)
        for m, question in enumerate(questions):
            if n == (m + 1) * len(steps) // (len(questions) + 1):
                said += await ask_all(asker.client, history, question)
    history.pass_time(24)
    return said
