"""Downloads of whole tables, for managers and programs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.domain.datum import Datum
from app.errors import NotFound
from app.routers.deps import AppSettings, Now, Sessions, Visitor, get_overseer
from app.routers.downloads import Download, get_downloads
from app.schemas.fields import Code, Day
from app.services import audit
from app.services.exports import catalogue, export, sending
from app.services.exports.downloads import Downloads
from app.services.exports.export import Asked, Export, Wanted
from app.services.exports.sending import Format

router = APIRouter(prefix="/api/v1/exports", tags=["management"])

Word = Annotated[str | None, Query(max_length=32)]


def wanted(
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    organisation: Code | None = None,
    person: Code | None = None,
    area: Code | None = None,
    verdict: Word = None,
    state: Word = None,
    kind: Word = None,
    retired: bool = False,
) -> Wanted:
    """Filters; what a table cannot be asked is refused (docs/exports.md)."""
    return Wanted(from_, to, organisation, person, area, verdict, state, kind, retired)


@dataclass(frozen=True, slots=True)
class Granted:
    """What the caller gets."""

    export: Export
    format: Format
    asked: Asked


async def get_granted(
    table: str,
    format: str,
    visitor: Visitor,
    sessions: Sessions,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    datum: Datum = Datum.wgs84,
) -> Granted:
    """What of it the caller may have, written down before the first byte leaves."""
    caller = await get_overseer(visitor)
    found = catalogue.EXPORTS.get(table)
    if found is None or format not in set(Format):
        raise NotFound("没有这张表可以下载。")
    said = which.given() | {"format": format, "datum": datum.value}
    async with sessions() as session, session.begin():
        asked = await export.ask(session, caller, found, which, now=now)
        reason = " ".join(f"{name}={value}" for name, value in said.items())
        await audit.seen(session, caller, f"export:{table}", reason=reason, now=now)
    return Granted(found, Format(format), asked)


@router.get("/{table}.{format}", response_class=Download, status_code=200)
async def get_export(
    granted: Annotated[Granted, Depends(get_granted)],
    downloads: Annotated[Downloads, Depends(get_downloads)],
    settings: AppSettings,
    datum: Datum = Datum.wgs84,
) -> Download:
    """A whole table as CSV, NDJSON or XLSX; docs/exports.md lists tables, columns and filters."""
    pieces = sending.pieces(
        downloads,
        granted.export,
        granted.asked,
        granted.format,
        datum,
        data_dir=settings.data_dir,
    )
    name = sending.file_name(granted.export, granted.asked, granted.format)
    return Download(pieces, name=name, media_type=sending.TYPES[granted.format])
