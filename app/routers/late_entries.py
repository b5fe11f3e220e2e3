"""Late entries: a manager enters a patrol from paper with a photo of it, a second one accepts."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from app.errors import TooLarge
from app.models import LateEntryState
from app.routers import forms
from app.routers.deps import (
    Cursor,
    Limit,
    Manager,
    Now,
    Reader,
    Session,
    Sessions,
    Visitor,
    get_manager,
)
from app.routers.middleware import PHOTO_LIMIT
from app.routers.photos import PhotoStore, in_memory, sent
from app.schemas.fields import Code, Day
from app.schemas.late_entries import LateEntry, NewLateEntry, NewPaper, NewVerdict
from app.schemas.pages import Page, page_of, read_cursor
from app.services import access, late_entries, late_entry_lists
from app.services.access import Caller
from app.services.late_entry_lists import Wanted
from app.services.photos import Size, View

router = APIRouter(prefix="/api/v1/late-entries", tags=["management"])

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"}
                    },
                }
            }
        },
    }
}


def wanted(
    state: LateEntryState | None = None,
    person: Code | None = None,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
) -> Wanted:
    """Filters of the list."""
    return Wanted(state, person, from_, to)


@router.get("")
async def list_late_entries(
    session: Session,
    caller: Reader,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[LateEntry]:
    """One's own; for managers and programs those of their subtree's people. Newest first."""
    found = await late_entry_lists.listed(
        session, caller, which, after=read_cursor(cursor), limit=limit + 1
    )
    return page_of(found, limit, LateEntry.of, lambda each: (each.entry.entered_at, each.entry.id))


@router.get("/{id}")
async def get_late_entry(id: UUID, session: Session, caller: Reader) -> LateEntry:
    """One that one may see."""
    return LateEntry.of(await late_entry_lists.find(session, caller, id))


@router.put("/{id}", responses={201: {"model": LateEntry}})
async def put_late_entry(
    id: UUID, body: NewLateEntry, session: Session, manager: Manager, now: Now, response: Response
) -> LateEntry:
    """Enter a patrol from paper for somebody; 201 when new, 200 when it was there already."""
    _, created = await late_entries.enter(session, manager, body.said(id), now=now)
    response.status_code = 201 if created else 200
    return LateEntry.of(await late_entry_lists.find(session, manager, id))


async def get_enterer(id: UUID, visitor: Visitor, sessions: Sessions) -> Caller:
    """Whoever entered it, looked up before the body is read."""
    manager = await get_manager(visitor)
    async with sessions() as session, session.begin():
        await late_entries.require_own(session, manager, id)
    return manager


Enterer = Annotated[Caller, Depends(get_enterer)]


async def get_paper(request: Request, _enterer: Enterer) -> AsyncIterator[NewPaper]:
    """The form, once all of it is here."""
    form = await forms.read(request)
    try:
        yield NewPaper.model_validate({name: part for name, part in form.items() if part != ""})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    finally:
        await form.close()


@router.post(
    "/{id}/photo",
    status_code=201,
    responses={200: {"model": LateEntry, "description": "It was here already"}},
    openapi_extra=_FORM,
)
async def post_paper(
    id: UUID,
    response: Response,
    enterer: Enterer,
    paper: Annotated[NewPaper, Depends(get_paper)],
    sessions: Sessions,
    store: PhotoStore,
    now: Now,
) -> LateEntry:
    """Add the photo of the paper (as photos of check-ins); the same again answers 200."""
    if (paper.file.size or 0) > PHOTO_LIMIT:
        raise TooLarge
    async with in_memory:
        content = await paper.file.read()
        async with sessions() as session, session.begin():
            created = await late_entries.attach(session, store, enterer, id, content, now=now)
            shown = await late_entry_lists.find(session, enterer, id)
    response.status_code = 201 if created else 200
    return LateEntry.of(shown)


async def get_view(id: UUID, visitor: Visitor, sessions: Sessions, size: Size = Size.large) -> View:
    """Which bytes they are."""
    access.person_of(visitor)
    async with sessions() as session, session.begin():
        return await late_entries.look_at(session, visitor, id, size)


@router.get("/{id}/photo", response_class=StreamingResponse)
async def get_paper_photo(
    view: Annotated[View, Depends(get_view)],
    store: PhotoStore,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The photo of the paper: `large`, `small`, or `original` as it came."""
    return await sent(view, store, if_none_match)


@router.post("/{id}/decision")
async def decide_late_entry(
    id: UUID, body: NewVerdict, session: Session, manager: Manager, now: Now
) -> LateEntry:
    """Accept or decline, as somebody who neither entered nor walked it."""
    await late_entries.decide(
        session, manager, id, LateEntryState(body.verdict), reason=body.reason, now=now
    )
    return LateEntry.of(await late_entry_lists.find(session, manager, id))
