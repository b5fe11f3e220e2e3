"""Ledgers (台账): everything an organisation can show for a period, as one file."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from app.models import Organisation
from app.routers.deps import AppSettings, Now, Sessions, Visitor, get_overseer
from app.routers.downloads import Download, get_downloads
from app.routers.photos import PhotoStore
from app.schemas.fields import Code, Day
from app.services import audit
from app.services.exports.downloads import Downloads
from app.services.ledgers import packing
from app.services.reports import report
from app.services.reports.report import Asked

router = APIRouter(prefix="/api/v1/ledgers", tags=["management"])


@dataclass(frozen=True, slots=True)
class Granted:
    """Whose ledger, and for which days."""

    organisation: Organisation
    asked: Asked


async def get_granted(
    organisation_code: Code,
    visitor: Visitor,
    sessions: Sessions,
    now: Now,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    as_of: Day | None = None,
) -> Granted:
    """What the caller may have, written down before the first byte leaves."""
    caller = await get_overseer(visitor)
    async with sessions() as session, session.begin():
        asked = await report.ask(
            session,
            caller,
            now=now,
            from_on=from_,
            to_on=to,
            as_of=as_of,
            organisation=organisation_code,
        )
        found = await session.scalars(
            select(Organisation).where(Organisation.code == organisation_code)
        )
        reason = f"from={asked.from_on} to={asked.to_on} as_of={asked.as_of}"
        await audit.seen(session, caller, f"ledger:{organisation_code}", reason=reason, now=now)
        return Granted(found.one(), asked)


@router.get("/{organisation_code:path}.zip", response_class=Download, status_code=200)
async def get_ledger(
    granted: Annotated[Granted, Depends(get_granted)],
    downloads: Annotated[Downloads, Depends(get_downloads)],
    store: PhotoStore,
    settings: AppSettings,
) -> Download:
    """A zip: the workbook, photos and letters that its rows link to, and the list of all."""
    pieces = packing.pieces(
        downloads, store, granted.organisation, granted.asked, data_dir=settings.data_dir
    )
    name = packing.name_of(granted.organisation, granted.asked)
    return Download(pieces, name=f"{name}.zip", media_type="application/zip")
