"""Bulletins: the periodic report of an office as JSON, Word and Excel."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response

from app.models import DocumentKind
from app.routers.deps import AppSettings, Now, Overseer, Session
from app.schemas.bulletins import BulletinList, ListedBulletin, said_by
from app.schemas.fields import Code
from app.services.bulletins import book, documents

router = APIRouter(prefix="/api/v1/bulletins", tags=["management"])


@router.get("")
async def list_bulletins(
    session: Session, caller: Overseer, organisation: Code | None = None
) -> BulletinList:
    """The bulletins of an organisation, one's own if none is named; programs see final ones."""
    office = await book.office_of(session, caller, organisation)
    found = await book.listed(session, caller, office)
    return BulletinList(
        organisation=office.code,
        items=[ListedBulletin.of(bulletin, signer) for bulletin, signer in found],
    )


@router.get("/{period}.json")
async def get_bulletin(
    period: str,
    session: Session,
    caller: Overseer,
    settings: AppSettings,
    now: Now,
    organisation: Code | None = None,
) -> dict[str, Any]:
    """A bulletin (`2026-06`, `2026-Q2`): the final one, or the figures and texts as of now."""
    office = await book.office_of(session, caller, organisation)
    shown = await book.find(session, caller, office, book.period_of(period), settings, now=now)
    return said_by(shown)


@router.get("/{period}.{kind}", response_class=Response)
async def get_document(
    period: str,
    kind: DocumentKind,
    session: Session,
    caller: Overseer,
    settings: AppSettings,
    now: Now,
    organisation: Code | None = None,
) -> Response:
    """The same as a document; of a final one always the same bytes."""
    office = await book.office_of(session, caller, organisation)
    shown = await book.find(session, caller, office, book.period_of(period), settings, now=now)
    content = await book.document(session, shown, kind)
    name = f"{shown.content['title']}.{kind}"
    return Response(
        content,
        media_type=documents.MEDIA_TYPES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="bulletin-{period}.{kind}"; '
            f"filename*=UTF-8''{quote(name)}",
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        },
    )
