"""The lists of the roster, a page of each noun at a time, and the page that leads to them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain.progress_texts import STATES
from app.models import ApplicationState, ExemptionState, PostKind, Role
from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page
from app.routers.dashboard.roster import wording
from app.routers.dashboard.roster.descriptions import (
    DESCRIPTIONS,
    Description,
    description,
)
from app.routers.dashboard.roster.rows import address
from app.routers.deps import Now, Session
from app.schemas.fields import Code
from app.schemas.pages import id_cursor_of, read_id_cursor
from app.services import (
    applications,
    choices,
    exemptions,
    letters,
    obligations,
    pairings,
    people,
    posts,
    roster_conflicts,
    words,
)
from app.services.access import Caller
from app.services.dataset.rows import Row
from app.services.exports import catalogue

router = APIRouter(prefix="/dashboard/roster", include_in_schema=False)

_A_PAGE = 50
_LONGEST = 64

Kind = TypeVar("Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is narrowed by, in codes, and after which row it goes on."""

    session: AsyncSession
    caller: Caller
    meant: Mapping[str, str]
    after: UUID | None
    now: datetime

    def __getitem__(self, name: str) -> str | None:
        """What is asked about `name`, if anything is."""
        return self.meant.get(name) or None

    def one_of(self, kind: type[Kind], name: str) -> Kind | None:
        """The same as one of an enumeration; what is none of it asks for nothing."""
        return next((each for each in kind if each == self.meant.get(name)), None)

    @property
    def retired(self) -> bool:
        """Whether rows that are over are wanted too."""
        return self["retired"] == "on"


class Listed(NamedTuple):
    """A row, and what is shown beside its columns."""

    row: Row
    more: Sequence[str] = ()


async def _people(asked: Asked) -> Sequence[Listed]:
    wanted = people.Wanted(
        asked["organisation"], asked.one_of(Role, "role"), asked["q"], asked.retired
    )
    found = await people.listed(
        asked.session, asked.caller, wanted, after=asked.after, limit=_A_PAGE + 1, now=asked.now
    )
    bound = await people.bound(asked.session, [row.id for row in found])
    return [
        Listed(row, ["、".join(words.APPS[app] for app, _ in bound.get(row.id, ())) or "未绑定"])
        for row in found
    ]


async def _posts(asked: Asked) -> Sequence[Listed]:
    wanted = posts.Wanted(
        asked["organisation"], asked["person"], asked.one_of(PostKind, "kind"), asked.retired
    )
    found = await posts.listed(
        asked.session, asked.caller, wanted, after=asked.after, limit=_A_PAGE + 1, now=asked.now
    )
    return list(map(Listed, found))


async def _duties(asked: Asked) -> Sequence[Listed]:
    wanted = obligations.Wanted(
        asked["organisation"], asked["holder"], asked["area"], None, asked.retired
    )
    found = await obligations.listed(
        asked.session, asked.caller, wanted, as_of=clock.day_of(asked.now), after=asked.after,
        limit=_A_PAGE + 1,
    )  # fmt: skip
    return [
        Listed(
            each.row,
            [f"{each.progress.done}／{each.progress.window.owed}", STATES[each.progress.state]],
        )
        for each in found.standings
    ]


async def _pairings(asked: Asked) -> Sequence[Listed]:
    wanted = pairings.Wanted(asked["organisation"], asked["reach"], asked["village"], asked.retired)
    found = await pairings.listed(
        asked.session, asked.caller, wanted, after=asked.after, limit=_A_PAGE + 1, now=asked.now
    )
    return list(map(Listed, found))


async def _exemptions(asked: Asked) -> Sequence[Listed]:
    wanted = exemptions.Wanted(
        asked.one_of(ExemptionState, "state"), asked["holder"], asked["organisation"],
        retired=asked.retired,
    )  # fmt: skip
    found = await exemptions.listed(
        asked.session, asked.caller, wanted, after=asked.after, limit=_A_PAGE + 1, now=asked.now
    )
    return [Listed(row, [words.EXEMPTION_STATES[row.said["state"]]]) for row in found]


async def _letters(asked: Asked) -> Sequence[Listed]:
    confirmed = {"true": True, "false": False}.get(asked["confirmed"] or "")
    wanted = letters.Wanted(asked["organisation"], asked["person"], confirmed, asked.retired)
    found = await letters.listed(
        asked.session, asked.caller, wanted, after=asked.after, limit=_A_PAGE + 1, now=asked.now
    )
    return [
        Listed(each.row, ["已确认" if each.row.said["confirmed_at"] else "未确认"])
        for each in found
    ]


_LISTED: Mapping[str, Callable[[Asked], Awaitable[Sequence[Listed]]]] = {
    "people": _people,
    "posts": _posts,
    "duties": _duties,
    "pairings": _pairings,
    "exemptions": _exemptions,
    "letters": _letters,
}


@router.get("")
async def show_index(visit: Viewer, session: Session, now: Now) -> HTMLResponse:
    """Where to go, and what waits for a decision."""
    waiting = await applications.listed(
        session, visit.caller, state=ApplicationState.pending, after=None, limit=100
    )
    asked = exemptions.Wanted(ExemptionState.asked)
    leave = await exemptions.listed(session, visit.caller, asked, after=None, limit=100, now=now)
    disputed = await roster_conflicts.open_(session, visit.caller, limit=100, now=now)
    return page(
        "roster/index.html", visit, descriptions=DESCRIPTIONS.values(),
        waiting=len(waiting), leave=len(leave), disputed=len(disputed),
    )  # fmt: skip


@router.get("/{noun}")
async def show_list(
    noun: Code,
    visit: Viewer,
    session: Session,
    now: Now,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """What of a noun is the caller's, the latest first, narrowed as the form above it says."""
    of = description(noun)
    typed = _typed(of, visit.request.query_params)
    lists = {each.choices for each in of.filters if each.choices}
    offered = await choices.offered(session, visit.caller, lists)
    meant = dict(typed)
    for each in of.filters:
        if each.choices and typed.get(each.name):
            meant[each.name] = choices.meant(typed[each.name], offered[each.choices])
    asked = Asked(session, visit.caller, meant, read_id_cursor(cursor), now)
    found = await _LISTED[of.path](asked)
    shown = found[:_A_PAGE]
    names = await wording.names_in(session, of.noun.stem, [each.row.said for each in shown])
    more = {**typed, "cursor": id_cursor_of(shown[-1].row.id)} if len(found) > _A_PAGE else None
    return page(
        "roster/list.html", visit, of=of, typed=typed, offered=offered, listed=shown, names=names,
        shown=wording.shown, label=wording.label, address=address,
        next=urlencode(more) if more else None, download=_download(of, meant),
    )  # fmt: skip


def _download(of: Description, meant: Mapping[str, str]) -> str:
    """The whole list as a file, narrowed by whatever a file can be narrowed by."""
    name = of.noun.stem
    known = {"organisation", *catalogue.EXPORTS[name].filters}
    asked = urlencode({key: value for key, value in meant.items() if key in known})
    return f"/api/v1/exports/{name}.xlsx?{asked}" if asked else f"/api/v1/exports/{name}.xlsx"


def _typed(of: Description, given: Mapping[str, str]) -> dict[str, str]:
    """What of the address narrows the list; what cannot be a code or a name asks for nothing."""
    known = (*(each.name for each in of.filters), "retired")
    return {
        name: given[name].strip()
        for name in known
        if given.get(name, "").strip()
        and len(given[name]) <= _LONGEST
        and given[name].isprintable()
    }
