"""Checking in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain import datum as datums
from app.models import Person, Source, Verdict
from app.routers.deps import InDatum, Manager, Me, Now, Reader, Session, Token
from app.schemas.check_ins import CheckIn, NewAnswer, NewCheckIn, NewReview, listing
from app.schemas.fields import Code, Day
from app.schemas.pages import Page, document_of, read_cursor
from app.services import check_in_lists, check_in_pages, reviews
from app.services.check_in_pages import Wanted
from app.services.new_check_in import NewCheckIn as Said

router = APIRouter(prefix="/api/v1/check-ins", tags=["check-ins"])


def said(id_: UUID, body: NewCheckIn, person: Person, now: datetime) -> Said:
    """What the phone said, in WGS-84."""
    given = body.position
    lon, lat = datums.to_wgs84(given.lon, given.lat, given.datum)
    return Said(
        id=id_,
        person=person,
        source=Source.mini_program,
        at=body.at,
        received_at=now,
        lon=lon,
        lat=lat,
        accuracy_m=given.accuracy_m,
        datum=given.datum,
        raw_lon=given.lon,
        raw_lat=given.lat,
        patrol_id=body.patrol_id,
        stele_code=body.stele.code if body.stele else None,
        stele_token=body.stele.token if body.stele else None,
        note=body.note,
        photos_expected=body.photos_expected,
        device=body.device,
    )


@router.put("/{id}", responses={201: {"model": CheckIn}})
async def put_check_in(
    id: UUID,
    body: NewCheckIn,
    request: Request,
    response: Response,
    token: Token,
    now: Now,
) -> CheckIn:
    """Record "I was here"; 201 when new, 200 when it was there already."""
    recorded = await request.state.recorder.record(
        token, lambda person: said(id, body, person, now), now
    )
    response.status_code = 201 if recorded.created else 200
    return CheckIn.of(recorded)


@router.get("/{id}", dependencies=[InDatum])
async def get_check_in(id: UUID, session: Session, caller: Reader, now: Now) -> CheckIn:
    """One check-in as it now stands."""
    return CheckIn.of(await check_in_lists.find(session, caller, id, now=now))


def wanted(
    mine: bool = False,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    person: Code | None = None,
    verdict: Verdict | None = None,
    patrol: UUID | None = None,
) -> Wanted:
    """Filters of the list."""
    return Wanted(mine, from_, to, person, verdict, patrol)


@router.get("", dependencies=[InDatum], response_model=Page[CheckIn])
async def list_check_ins(
    session: Session,
    caller: Reader,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """One's own check-ins; for managers and programs those of their subtree. Newest first."""
    found = await check_in_pages.page(
        session, caller, which, after=read_cursor(cursor), limit=limit + 1, now=now
    )
    body = document_of(found.rows, limit, listing(found), lambda row: (row.at, row.id))
    return Response(body, media_type="application/json")


@router.post("/{id}/review")
async def review_check_in(
    id: UUID,
    body: NewReview,
    session: Session,
    caller: Manager,
    now: Now,
) -> CheckIn:
    """Decide about a check-in; the sender is told the verdict and its reason."""
    await reviews.review(
        session, caller, id, verdict=Verdict(body.verdict), reason=body.reason, now=now
    )
    return CheckIn.of(await check_in_lists.find(session, caller, id, now=now))


@router.post("/{id}/review/answer", status_code=204)
async def answer_review(
    id: UUID,
    body: NewAnswer,
    session: Session,
    me: Me,
    now: Now,
) -> None:
    """Say once what one has to say to a review."""
    await reviews.answer(session, me, id, text=body.text, now=now)
