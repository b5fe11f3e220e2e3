"""Steles, for whoever stands before one."""

from fastapi import APIRouter

from app.routers.deps import (
    AppSettings,
    InDatum,
    Limited,
    Manager,
    MaybeCaller,
    Now,
    Session,
)
from app.schemas.steles import KnownStele, NewPrint, Print, Stele, stele_of
from app.services import stele_codes, steles

router = APIRouter(prefix="/api/v1/steles", tags=["in the field"])


@router.get("/{code}", dependencies=[InDatum, Limited])
async def read_stele(
    code: str, session: Session, caller: MaybeCaller, settings: AppSettings, now: Now
) -> KnownStele | Stele:
    """The stele, its water, cell and people; with more for people on the roster and programs."""
    here = await steles.describe(session, code, settings, now=now)
    return stele_of(here, settings.office_phone, caller)


@router.post("/{code}/prints", status_code=201)
async def print_anew(
    code: str, body: NewPrint, session: Session, manager: Manager, now: Now
) -> Print:
    """Call in the QR codes of a stele: check-ins by an old one are flagged from now on."""
    made = await stele_codes.print_anew(session, manager, code, reason=body.reason, now=now)
    return Print(code=code, version=made.version)
