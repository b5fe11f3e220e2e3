"""People: who of the roster is whose to manage."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import CommandFailed, Forbidden, NotFound
from app.models import App, Person, Role, WechatUser
from app.services import access, audit, bindings
from app.services.access import Caller


async def managed_by(session: AsyncSession, caller: Caller, code: str) -> Person:
    """The person of this code, for a manager to act upon.

    Raises `NotFound` outside what the caller manages, and `Forbidden` where a manager reaches for
    an admin: that would make everybody an admin who can have one's WeChat replaced.
    """
    person = await session.scalar(select(Person).where(Person.code == code))
    if person is None or not await access.manages(session, caller, person.organisation_id):
        raise NotFound("没有找到这位人员。")
    if person.role is Role.admin and access.person_of(caller).role is not Role.admin:
        raise Forbidden("系统管理员的绑定只能由系统管理员处理。")
    return person


async def named(session: AsyncSession, code: str) -> Person:
    """The person of this code, for the operator's shell. Raises `CommandFailed`."""
    person = await session.scalar(select(Person).where(Person.code == code))
    if person is None:
        raise CommandFailed(f"没有这位人员：{code}")
    return person


async def unbind(
    session: AsyncSession,
    caller: Caller,
    code: str,
    *,
    app: App | None,
    reason: str,
    now: datetime,
) -> list[App]:
    """Part a person of the caller's from their WeChat, in one app or in both; which it was.

    Raises as `managed_by`.
    """
    person = await managed_by(session, caller, code)
    by = access.person_of(caller)
    return await part(session, person, app=app, by=by, reason=reason, now=now)


async def part(
    session: AsyncSession,
    person: Person,
    *,
    app: App | None,
    by: Person | None,
    reason: str,
    now: datetime,
) -> list[App]:
    """The same without asking who may; without `by` it was the operator's shell."""
    users = (
        await session.scalars(
            select(WechatUser)
            .where(WechatUser.person_id == person.id)
            .order_by(WechatUser.id)
            .with_for_update(key_share=True)
        )
    ).all()
    for user in users:
        if app is None or user.app is app:
            await bindings.unbind(session, user, now=now)
    parted = sorted(user.app for user in users if user.person_id is None)
    await audit.record(
        session,
        by,
        "unbind",
        f"person:{person.code}",
        now=now,
        via="api" if by else "cli",
        before={"apps": sorted(user.app for user in users)},
        after={"apps": sorted(user.app for user in users if user.person_id is not None)},
        reason=reason,
    )
    return parted
