"""Applications: "that's me", and a manager's yes or no.

Who sees one: an application to replace a WeChat belongs to whoever manages the person it names.
One that names nobody is seen by those who manage an organisation whose name or code it gives, and,
so that none gets lost, by the admins and by the managers of the organisations at the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import AlreadyBound, Invalid, NotFound, WrongState
from app.models import (
    App,
    Application,
    ApplicationKind,
    ApplicationState,
    Organisation,
    Person,
    WechatUser,
    uuid7,
)
from app.services import access, audit, bindings, messages, people
from app.services.access import Caller

MOST_OWN = 20


@dataclass(frozen=True, slots=True)
class Applied:
    """An application with whom it is about, and from which app it comes."""

    application: Application
    app: App
    person: Person | None


async def apply(
    session: AsyncSession,
    wechat_user: WechatUser,
    *,
    name: str,
    phone: str | None,
    organisation: str | None,
    now: datetime,
) -> Application:
    """Ask to be found on the roster; while that is undecided, asking again corrects it.

    Raises `AlreadyBound`.
    """
    if wechat_user.person_id is not None:
        person = await session.get_one(Person, wechat_user.person_id)
        if person.is_on_roster(clock.day_of(now)):
            raise AlreadyBound("您已经绑定，不需要再申请。")
    said = {"name": name, "phone": phone, "organisation": organisation}
    return (
        await session.scalars(
            insert(Application)
            .values(
                id=uuid7(),
                wechat_user_id=wechat_user.id,
                kind=ApplicationKind.binding,
                state=ApplicationState.pending,
                created_at=now,
                **said,
            )
            .on_conflict_do_update(
                index_elements=[Application.wechat_user_id],
                index_where=text("state = 'pending'"),
                set_=said,
            )
            .returning(Application),
            execution_options={"populate_existing": True},
        )
    ).one()


async def own(session: AsyncSession, wechat_user: WechatUser) -> Sequence[Application]:
    """What a WeChat user applied for, the latest first, so that they learn what became of it."""
    return (
        await session.scalars(
            select(Application)
            .where(Application.wechat_user_id == wechat_user.id)
            .order_by(Application.created_at.desc(), Application.id.desc())
            .limit(MOST_OWN)
        )
    ).all()


async def listed(
    session: AsyncSession,
    caller: Caller,
    *,
    state: ApplicationState | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Applied]:
    """The applications that are this manager's to decide, the newest first."""
    statement = (
        select(Application, WechatUser.app, Person)
        .join(WechatUser, WechatUser.id == Application.wechat_user_id)
        .outerjoin(Person, Person.id == Application.person_id)
        .where(await _visible(session, caller))
        .order_by(Application.created_at.desc(), Application.id.desc())
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(Application.state == state)
    if after is not None:
        statement = statement.where(tuple_(Application.created_at, Application.id) < after)
    return [Applied(*row) for row in await session.execute(statement)]


async def join(
    session: AsyncSession,
    caller: Caller,
    application_id: UUID,
    person_code: str,
    *,
    now: datetime,
    reason: str | None = None,
) -> Applied:
    """A manager's yes: the applicant is this person from now on, whatever WeChat they had before.

    The same yes again changes nothing. Raises `NotFound`, `WrongState`, `Invalid` for a person who
    is not the manager's, and as `bindings.replace`.
    """
    manager = access.person_of(caller)
    application = await _mine(session, caller, application_id)
    person = await _person(session, caller, person_code)
    user = await session.get_one(WechatUser, application.wechat_user_id)
    if application.state is ApplicationState.joined and application.person_id == person.id:
        return Applied(application, user.app, person)
    if application.state is not ApplicationState.pending:
        raise WrongState("这份申请已经处理过了。")
    old = await bindings.replace(session, user, person, by=manager, now=now)
    application.state, application.person_id = ApplicationState.joined, person.id
    application.decided_at, application.decided_by_id = now, manager.id
    await audit.record(
        session,
        manager,
        "join-application",
        f"application:{application.id}",
        via=audit.door_of(caller),
        now=now,
        before={"state": "pending"},
        after={"state": "joined", "person": person.code},
        reason=reason,
    )
    await messages.tell(
        session,
        kind="application-joined",
        text=f"绑定成功：您是{person.name}，现在可以巡河了。",
        person_id=person.id,
        subject=f"application:{application.id}",
        now=now,
    )
    if old is not None:
        await messages.tell(
            session,
            kind="identity-replaced",
            text="管理员已同意更换微信，这个微信不再绑定巡河人员。如不是您本人申请，请联系管理员。",
            wechat_user_id=old.id,
            now=now,
        )
    return Applied(application, user.app, person)


async def decline(
    session: AsyncSession, caller: Caller, application_id: UUID, reason: str, *, now: datetime
) -> Applied:
    """A manager's no, which the applicant reads with its reason.

    Raises `NotFound`, `WrongState`.
    """
    manager = access.person_of(caller)
    application = await _mine(session, caller, application_id)
    user = await session.get_one(WechatUser, application.wechat_user_id)
    person = await session.get_one(Person, application.person_id) if application.person_id else None
    if application.state is ApplicationState.declined and application.reason == reason:
        return Applied(application, user.app, person)
    if application.state is not ApplicationState.pending:
        raise WrongState("这份申请已经处理过了。")
    application.state, application.reason = ApplicationState.declined, reason
    application.decided_at, application.decided_by_id = now, manager.id
    await audit.record(
        session,
        manager,
        "decline-application",
        f"application:{application.id}",
        via=audit.door_of(caller),
        now=now,
        before={"state": "pending"},
        after={"state": "declined"},
        reason=reason,
    )
    await messages.tell(
        session,
        kind="application-declined",
        text=f"您的绑定申请没有通过：{reason}",
        wechat_user_id=application.wechat_user_id,
        subject=f"application:{application.id}",
        now=now,
    )
    return Applied(application, user.app, person)


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    scope = await access.scope_of(session, caller)
    if scope is None:
        return Application.id.is_not(None)
    places = [Organisation.code, Organisation.name, Organisation.short_name]
    named = select(Organisation.id).where(
        Organisation.id.in_(scope), or_(*(place == Application.organisation for place in places))
    )
    at_the_top = select(Organisation.id).where(
        Organisation.id.in_(scope), Organisation.parent_id.is_(None)
    )
    theirs = select(Person.id).where(Person.organisation_id.in_(scope))
    return or_(
        Application.person_id.in_(theirs),
        Application.person_id.is_(None) & or_(named.exists(), at_the_top.exists()),
    )


async def _mine(session: AsyncSession, caller: Caller, application_id: UUID) -> Application:
    application = await session.scalar(
        select(Application)
        .where(Application.id == application_id, await _visible(session, caller))
        .with_for_update()
    )
    if application is None:
        raise NotFound
    return application


async def _person(session: AsyncSession, caller: Caller, code: str) -> Person:
    try:
        return await people.managed_by(session, caller, code)
    except NotFound:
        raise Invalid(
            errors=[{"pointer": "/person_code", "detail": "名册里没有您管理的这位人员"}]
        ) from None
