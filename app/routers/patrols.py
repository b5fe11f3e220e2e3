"""Setting out, walking, coming back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from app.models import PatrolKind, PatrolState
from app.routers.deps import AnyCaller, Cursor, InDatum, Limit, Me, Now, Reader, Session
from app.routers.middleware import etag_of
from app.schemas.fields import Code, Day
from app.schemas.pages import Page, page_of, read_cursor
from app.schemas.patrols import Appended, NewFinish, NewPatrol, NewPoints, Patrol
from app.schemas.tracks import Track
from app.services import companions, patrol_lists, patrols, track_lines, tracks
from app.services.access import Caller
from app.services.patrol_lists import Shown, Wanted
from app.services.patrols import NewPatrol as Said
from app.services.tracks import NewPoint

router = APIRouter(prefix="/api/v1/patrols", tags=["patrols"])

IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]


def said(id_: UUID, body: NewPatrol) -> Said:
    """What the phone said."""
    kind = body.kind or PatrolKind.foot
    return Said(id_, body.started_at, kind, body.reach_code, tuple(body.companions or ()))


def points_of(body: NewPoints) -> list[NewPoint]:
    """The points as the phone sent them."""
    return [NewPoint(p.seq, p.at, p.lon, p.lat, p.accuracy_m, p.datum) for p in body.points]


async def _shown(session: Session, caller: Caller, id_: UUID, response: Response) -> Patrol:
    """The patrol as it now stands, with the ETag that If-Match is compared with."""
    found = await patrol_lists.find(session, caller, id_)
    response.headers["ETag"] = _version(found)
    return Patrol.of(found)


def _version(shown: Shown) -> str:
    return etag_of(Patrol.of(shown).model_dump_json().encode())


@router.put("/{id}", responses={201: {"model": Patrol}})
async def put_patrol(
    id: UUID,
    body: NewPatrol,
    session: Session,
    caller: AnyCaller,
    me: Me,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Patrol:
    """Start a patrol (201), hear of it again (200), or amend an open one with If-Match."""
    new, created = said(id, body), False
    if if_match is None:
        _, created = await patrols.start(session, me, new, now=now)
    else:
        await patrols.amend(session, caller, me, new, wanted=if_match, version_of=_version, now=now)
    response.status_code = 201 if created else 200
    return await _shown(session, caller, id, response)


@router.post("/{id}/track")
async def append_track(id: UUID, body: NewPoints, session: Session, me: Me, now: Now) -> Appended:
    """Append points; a repeated `seq` is ignored."""
    appended = await tracks.append(session, me, id, points_of(body), now=now)
    return Appended(received=appended.received, last_seq=appended.last_seq)


@router.post("/{id}/finish")
async def finish_patrol(
    id: UUID,
    body: NewFinish,
    session: Session,
    caller: AnyCaller,
    me: Me,
    now: Now,
    response: Response,
) -> Patrol:
    """Come back; a second finish changes nothing."""
    await patrols.finish(
        session,
        me,
        id,
        finished_at=body.finished_at,
        findings=body.findings,
        note=body.note,
        now=now,
    )
    return await _shown(session, caller, id, response)


@router.post("/{id}/decline", status_code=204)
async def decline_patrol(id: UUID, session: Session, me: Me, now: Now) -> None:
    """Say "I was not there", as a companion, within seven days."""
    await companions.decline(session, me, id, now=now)


@router.get("/{id}")
async def get_patrol(id: UUID, session: Session, caller: Reader, response: Response) -> Patrol:
    """One patrol as it now stands."""
    return await _shown(session, caller, id, response)


@router.get("/{id}/track", dependencies=[InDatum])
async def get_track(id: UUID, session: Session, caller: Reader, now: Now) -> Track:
    """The line walked, with times; of one's own people only, and that it was seen is kept."""
    return Track.of(await track_lines.look_at(session, caller, id, now=now))


def wanted(
    mine: bool = False,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    person: Code | None = None,
    state: PatrolState | None = None,
) -> Wanted:
    """Filters of the list."""
    return Wanted(mine, from_, to, person, state)


@router.get("", dependencies=[InDatum])
async def list_patrols(
    session: Session,
    caller: Reader,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Patrol]:
    """One's own patrols; for managers and programs those of their subtree. Newest first."""
    found = await patrol_lists.page(
        session, caller, which, after=read_cursor(cursor), limit=limit + 1
    )
    return page_of(found, limit, Patrol.of, lambda each: (each.patrol.started_at, each.patrol.id))
