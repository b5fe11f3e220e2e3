"""Target responsibility letters: edits for managers, reading and confirming for chiefs."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import FileResponse

from app.errors import StorageUnavailable
from app.routers.deps import (
    AnyCaller,
    AppSettings,
    Cursor,
    IfMatch,
    Limit,
    Manager,
    Me,
    Now,
    Reader,
    Session,
    Sessions,
    Visitor,
    get_reader,
)
from app.routers.middleware import etag_of, matches
from app.schemas.fields import Code
from app.schemas.letters import Letter, NewLetter
from app.schemas.pages import Page, page_by_id, read_id_cursor
from app.services import letters
from app.services.letters import Document, Shown, Wanted

router = APIRouter(prefix="/api/v1/letters", tags=["management"])


def wanted(
    organisation: Code | None = None,
    person: Code | None = None,
    confirmed: bool | None = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(organisation, person, confirmed, retired)


def _answer(found: Shown, response: Response) -> Letter:
    """The letter, with an ETag that begins with its row's version, for If-Match."""
    shown = Letter.of(found)
    rest = etag_of(shown.model_dump_json().encode()).strip('"')
    response.headers["ETag"] = f'"{found.row.version}-{rest}"'
    return shown


@router.get("")
async def list_letters(
    session: Session,
    caller: Reader,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Letter]:
    """One's own and one's enterprise's; for managers and programs those of their subtree."""
    found = await letters.listed(
        session, caller, which, after=read_id_cursor(cursor), limit=limit + 1, now=now
    )
    return page_by_id(found, limit, Letter.of, lambda each: each.row.id)


async def get_document(
    number: Code, visitor: Visitor, sessions: Sessions, settings: AppSettings
) -> Document:
    """Which file it is; no connection is held while it is sent."""
    reader = await get_reader(visitor)
    async with sessions() as session, session.begin():
        return await letters.document(
            session, reader, number, folder=settings.data_dir / "documents"
        )


# Numbers may hold slashes: the longer address is asked first.
@router.get("/{number:path}/document", response_class=FileResponse)
async def read_document(
    document: Annotated[Document, Depends(get_document)],
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The signed letter as it was handed in."""
    etag = f'"{document.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.name, safe='')}",
    }
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    if not document.path.is_file():
        raise StorageUnavailable("责任书附件暂时取不到，请联系管理员。")
    is_pdf = document.name.lower().endswith(".pdf")
    return FileResponse(
        document.path,
        headers=headers,
        media_type="application/pdf" if is_pdf else "application/octet-stream",
    )


@router.get("/{number:path}")
async def get_letter(number: Code, session: Session, caller: Reader, response: Response) -> Letter:
    """One letter, and what hangs on it."""
    return _answer(await letters.find(session, caller, number), response)


@router.put("/{number:path}", responses={201: {"model": Letter}})
async def put_letter(
    number: Code,
    body: NewLetter,
    session: Session,
    manager: Manager,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Letter:
    """Make (201) or change a letter; another chief or term is to be confirmed anew."""
    edit = await letters.put(session, manager, number, body.wish(if_match), now=now)
    response.status_code = 201 if edit.is_new else 200
    return _answer(await letters.shown(session, edit.after), response)


@router.post("/{number:path}/confirm")
async def confirm_letter(
    number: Code, session: Session, caller: AnyCaller, me: Me, now: Now, response: Response
) -> Letter:
    """The chief named has read it; once and for all."""
    letter = await letters.confirm(session, me, number, now=now)
    return _answer(await letters.find(session, caller, letter.number), response)
