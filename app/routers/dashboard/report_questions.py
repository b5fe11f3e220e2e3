"""Report questions: which reports have a page, and what its form asks of them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query

from app.errors import NotFound
from app.models import GridCellKind
from app.routers.dashboard.report_tables import entity
from app.schemas.fields import Code, Day
from app.services.reports import coverage, effort, reminders
from app.services.reports.report import By, Definition, Report

BY_WORDS = {
    By.organisation: "组织",
    By.person: "人员",
    By.reach: "河段",
    By.grid_cell: "网格",
    By.stele: "界碑",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A report with a page: its name in the API, what can be asked of it, what its rows lead to.

    `key` names the values that tell a row from all others; `figures` says under which name of a
    row's `records` those behind a figure stand.
    """

    api: str
    definition: Definition
    report: Callable[..., Awaitable[Report]]
    key: Sequence[str] = ("code",)
    asks_by: bool = False
    asks_kind: bool = False
    figures: Mapping[str, str] = field(default_factory=dict)
    leads_to: Callable[[Mapping[str, Any], By], str | None] = lambda _row, _by: None


SHOWN: Mapping[str, Shown] = {
    "coverage": Shown(
        "coverage",
        coverage.DEFINITION,
        coverage.report,
        key=("code", "month"),
        asks_kind=True,
        figures={"visits": "visits", "days": "visits"},
        leads_to=lambda row, _by: entity(row["code"], By.grid_cell),
    ),
    "effort": Shown(
        "effort",
        effort.DEFINITION,
        effort.report,
        asks_by=True,
        figures=dict.fromkeys(("outings", "patrol_days", "km", "hours"), "outings"),
        leads_to=lambda row, by: entity(row["code"], by),
    ),
    "reminders": Shown(
        "reminders",
        reminders.DEFINITION,
        reminders.report,
        figures={name: name for name in reminders.COUNTED},
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What was filled in; an empty field of the form is none."""

    from_on: date | None
    to_on: date | None
    as_of: date | None
    organisation: str | None
    by: By | None
    kind: GridCellKind | None

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
        }
        return {name: str(value) for name, value in every.items() if value is not None}

    def address(self, path: str, **more: str) -> str:
        """A page with these parameters and some more."""
        said = urlencode(self.given | more)
        return f"{path}?{said}" if said else path


def _question(
    from_: Annotated[Day | Literal[""] | None, Query(alias="from")] = None,
    to_: Annotated[Day | Literal[""] | None, Query(alias="to")] = None,
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    organisation: Annotated[Code | Literal[""] | None, Query()] = None,
    by: Annotated[By | Literal[""] | None, Query()] = None,
    kind: Annotated[GridCellKind | Literal[""] | None, Query()] = None,
) -> Question:
    return Question(
        from_ or None, to_ or None, as_of or None, organisation or None, by or None, kind or None
    )


Asking = Annotated[Question, Depends(_question)]


def find(name: str) -> Shown:
    """The report of that name. Raises `NotFound`."""
    if name not in SHOWN:
        raise NotFound("没有这个报表。")
    return SHOWN[name]
