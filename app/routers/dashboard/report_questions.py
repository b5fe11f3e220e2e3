"""Report questions: which reports have a page, and what its form asks of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import GridCellKind
from app.routers.dashboard.report_tables import entity
from app.schemas.fields import Code, Day, Instant
from app.services.reports import behind, coverage, effort, progress, reminders
from app.services.reports.comparing import Compare
from app.services.reports.report import Asked, By, Definition, Report
from app.settings import Settings

BY_WORDS = {
    By.organisation: "组织",
    By.person: "人员",
    By.reach: "河段",
    By.grid_cell: "网格",
    By.stele: "界碑",
}
COMPARE_WORDS = {Compare.previous: "上一期", Compare.year_ago: "去年同期"}


@dataclass(frozen=True, slots=True)
class Question:
    """What was filled in; an empty field of the form is none."""

    from_on: date | None
    to_on: date | None
    as_of: date | None
    organisation: str | None
    by: By | None
    kind: GridCellKind | None
    compare: Compare | None
    known_at: datetime | None

    @property
    def given(self) -> dict[str, str]:
        """As the parameters of an address, those that were filled in."""
        every = {
            "from": self.from_on,
            "to": self.to_on,
            "as_of": self.as_of,
            "organisation": self.organisation,
            "by": self.by,
            "kind": self.kind,
            "compare": self.compare,
            "known_at": self.known_at and self.known_at.astimezone(clock.LAKE).isoformat(),
        }
        return {name: str(value) for name, value in every.items() if value is not None}

    def address(self, path: str, **more: str) -> str:
        """A page with these parameters and some more."""
        said = urlencode(self.given | more)
        return f"{path}?{said}" if said else path


Make = Callable[[AsyncSession, Asked, Question, Settings], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A report with a page: what it is for, what can be asked of it, what its rows lead to.

    `asks` are the fields of its form; `key` the values that tell a row from all others; `names` the
    columns that lead to the entity; `figures` says under which name of a row's `records` those
    behind a figure stand.
    """

    definition: Definition
    about: str
    make: Make
    asks: frozenset[str]
    figures: Mapping[str, str]
    key: Sequence[str] = ("code",)
    names: Sequence[str] = ("code", "name")
    leads_to: Callable[[Mapping[str, Any], By], str | None] = lambda _row, _by: None


_RANGE = frozenset({"range", "compare"})


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _holder(row: Mapping[str, Any], _by: By) -> str | None:
    return entity(row["holder"], By(row["holder_kind"]))


SHOWN: Mapping[str, Shown] = {
    "progress": Shown(
        progress.DEFINITION,
        "应巡多少次、完成了多少次，谁达标。",
        lambda session, asked, _question, _settings: progress.report(session, asked),
        _RANGE | {"by"},
        _same("duties", "owed", "missing", "behind", "done", "met", "pending")
        | {"holders": "duties", "due": "owed"},
        leads_to=lambda row, by: entity(row["code"], by),
    ),
    "behind": Shown(
        behind.DEFINITION,
        "现在谁的任务落后，落后几次，能不能通知到。",
        lambda session, asked, _question, settings: behind.report(session, asked, settings),
        frozenset(),
        _same("done", "pending", "last_reminder_at")
        | dict.fromkeys(("owed", "due", "behind"), "obligation"),
        key=("obligation",),
        names=("holder", "holder_name"),
        leads_to=_holder,
    ),
    "coverage": Shown(
        coverage.DEFINITION,
        "每个网格去过几次，多久没去了。",
        lambda session, asked, question, _settings: coverage.report(
            session, asked, kind=question.kind
        ),
        _RANGE | {"kind"},
        {"visits": "visits", "days": "visits"},
        key=("code", "month"),
        leads_to=lambda row, _by: entity(row["code"], By.grid_cell),
    ),
    "effort": Shown(
        effort.DEFINITION,
        "出去了几次、几天，走了多远、多久。",
        lambda session, asked, _question, _settings: effort.report(session, asked),
        _RANGE | {"by"},
        dict.fromkeys(("outings", "patrol_days", "km", "hours"), "outings"),
        leads_to=lambda row, by: entity(row["code"], by),
    ),
    "reminders": Shown(
        reminders.DEFINITION,
        "发了多少提醒，为什么没发到，提醒后补上没有。",
        lambda session, asked, _question, _settings: reminders.report(session, asked),
        _RANGE,
        _same(*reminders.COUNTED),
    ),
}


def _question(
    from_: Annotated[Day | Literal[""] | None, Query(alias="from")] = None,
    to_: Annotated[Day | Literal[""] | None, Query(alias="to")] = None,
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    organisation: Annotated[Code | Literal[""] | None, Query()] = None,
    by: Annotated[By | Literal[""] | None, Query()] = None,
    kind: Annotated[GridCellKind | Literal[""] | None, Query()] = None,
    compare: Annotated[Compare | Literal[""] | None, Query()] = None,
    known_at: Annotated[Instant | Literal[""] | None, Query()] = None,
) -> Question:
    return Question(
        from_ or None,
        to_ or None,
        as_of or None,
        organisation or None,
        by or None,
        kind or None,
        compare or None,
        known_at or None,
    )


Asking = Annotated[Question, Depends(_question)]


def find(name: str) -> Shown:
    """The report of that name. Raises `NotFound`."""
    if name not in SHOWN:
        raise NotFound("没有这个报表。")
    return SHOWN[name]
