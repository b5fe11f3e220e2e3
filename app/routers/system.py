"""How the system stands, and the audit log: for admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.routers.deps import Admin, AppSettings, Cursor, Limit, Now, Session
from app.schemas.fields import Day
from app.schemas.pages import Page, page_of, read_cursor
from app.schemas.system import AuditEntry, System
from app.services import audit_lists, system
from app.services.audit_lists import Wanted

router = APIRouter(prefix="/api/v1", tags=["operations"])


def get_wanted(
    actor: Annotated[str, Query(max_length=64)] = "",
    subject: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
    from_on: Annotated[Day | None, Query(alias="from")] = None,
    to_on: Annotated[Day | None, Query(alias="to")] = None,
) -> Wanted:
    """By code or name of whoever did it, beginning of the subject, action, and days."""
    return Wanted(actor.strip(), subject.strip(), action.strip(), from_on, to_on)


@router.get("/system")
async def show_system(session: Session, _admin: Admin, settings: AppSettings, now: Now) -> System:
    """What `xunhe doctor` says, jobs, tokens without their secrets, alarms, the record chain."""
    return System.of(await system.look(session, settings, now=now))


@router.get("/audit-entries")
async def list_audit_entries(
    session: Session,
    _admin: Admin,
    which: Annotated[Wanted, Depends(get_wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AuditEntry]:
    """Who saw or changed what, the newest first."""
    found = await audit_lists.page(session, which, after=read_cursor(cursor), limit=limit + 1)
    return page_of(found, limit, AuditEntry.of, lambda each: (each.entry.at, each.entry.id))
