"""Bindings: which WeChat belongs to which person. Every door that binds comes through `bind`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.errors import AlreadyBound, IdentityTaken, NotOnRoster
from app.models import (
    Application,
    ApplicationKind,
    ApplicationState,
    CallbackReceipt,
    Conversation,
    HeldMessage,
    Login,
    Person,
    Subscription,
    WechatUser,
    uuid7,
)
from app.services import audit, consents
from app.services.reminders import permits


async def bind(
    session: AsyncSession, wechat_user: WechatUser, person: Person, *, now: datetime, via: str
) -> WechatUser:
    """Let the WeChat user be the person; again for the same two changes nothing.

    `via` names the door (phone, invitation, chat, unionid, application). What the WeChat user
    agreed to and sent before comes along; the same human's identity in the other app is joined.

    Raises `NotOnRoster`; `AlreadyBound` when the WeChat user is somebody else on the roster;
    `IdentityTaken` when the person has another WeChat in this app: then an application for a
    manager's yes was added to the session, so commit before passing that refusal on.
    """
    # The WeChat user first and the person second, everywhere: two who claim one person take turns.
    wechat_user, person = await _locked(session, wechat_user.id, person.id)
    today = clock.day_of(now)
    if not person.is_on_roster(today):
        raise NotOnRoster("这位人员已不在名册上，请联系管理员。")
    if wechat_user.person_id == person.id:
        return wechat_user
    if wechat_user.person_id is not None:
        other = await session.get_one(Person, wechat_user.person_id)
        if other.is_on_roster(today):
            raise AlreadyBound
        # Whoever left the roster may come back under another code, and stay signed in.
        await _part(session, wechat_user)
    if await identity_of(session, person, wechat_user) is not None:
        await _ask_replacement(session, wechat_user, person, now)
        raise IdentityTaken
    await _attach(session, wechat_user, person, now=now, via=via)
    await join_by_unionid(session, wechat_user, now=now)
    return wechat_user


async def replace(
    session: AsyncSession,
    wechat_user: WechatUser,
    person: Person,
    *,
    by: Person,
    now: datetime,
) -> WechatUser | None:
    """Bind with a manager's yes: the person's other WeChat in this app, if any, is let go.

    Returns the one let go. Raises as `bind`, but never `IdentityTaken`.
    """
    # Both of the person's WeChats are locked before the person is, in one order.
    await session.execute(
        select(WechatUser.id)
        .where(
            or_(
                WechatUser.id == wechat_user.id,
                and_(WechatUser.person_id == person.id, WechatUser.app == wechat_user.app),
            )
        )
        .order_by(WechatUser.id)
        .with_for_update(key_share=True)
    )
    wechat_user, person = await _locked(session, wechat_user.id, person.id)
    old = await identity_of(session, person, wechat_user)
    if old is not None:
        await unbind(session, old, now=now)
        await audit.record(
            session,
            by,
            "replace-identity",
            f"person:{person.code}",
            now=now,
            before={"app": old.app.value, "wechat_user": str(old.id)},
            after={"app": wechat_user.app.value, "wechat_user": str(wechat_user.id)},
        )
    await bind(session, wechat_user, person, now=now, via="application")
    return old


async def identity_of(
    session: AsyncSession, person: Person, wechat_user: WechatUser
) -> WechatUser | None:
    """The other WeChat user, in the same app, who is this person already."""
    return await session.scalar(
        select(WechatUser).where(
            WechatUser.person_id == person.id,
            WechatUser.app == wechat_user.app,
            WechatUser.id != wechat_user.id,
        )
    )


async def join_by_unionid(session: AsyncSession, wechat_user: WechatUser, *, now: datetime) -> None:
    """Let one human's identities in both apps be one person, where WeChat says they are one.

    A row that somebody else works on just now is left for its own turn.
    """
    if wechat_user.unionid is None:
        return
    sibling = await session.scalar(
        select(WechatUser)
        .where(WechatUser.unionid == wechat_user.unionid, WechatUser.app != wechat_user.app)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if sibling is None or (sibling.person_id is None) == (wechat_user.person_id is None):
        return
    known, unknown = (
        (sibling, wechat_user) if wechat_user.person_id is None else (wechat_user, sibling)
    )
    person = await session.scalar(
        select(Person).where(Person.id == known.person_id).with_for_update(key_share=True)
    )
    if person is None or not person.is_on_roster(clock.day_of(now)):
        return
    if await identity_of(session, person, unknown) is None:
        await _attach(session, unknown, person, now=now, via="unionid")


async def unbind(session: AsyncSession, wechat_user: WechatUser, *, now: datetime) -> None:
    """Part a WeChat from its person: its logins end, and its consents with them.

    The same human's identity in the other app goes as well: it would bring this one back.
    """
    for user in await _part(session, wechat_user):
        await end_logins(session, user, now=now)


async def _part(session: AsyncSession, wechat_user: WechatUser) -> Sequence[WechatUser]:
    """Part one human's identities from their person; which they are."""
    users = [wechat_user]
    if wechat_user.person_id is not None and wechat_user.unionid is not None:
        users += await session.scalars(
            select(WechatUser).where(
                WechatUser.unionid == wechat_user.unionid,
                WechatUser.person_id == wechat_user.person_id,
                WechatUser.id != wechat_user.id,
            )
        )
    for user in users:
        if user.person_id is not None:
            person = await session.get_one(Person, user.person_id)
            await consents.withdraw_given_by(session, user, person)
        user.person_id = user.bound_at = None
    await session.flush()
    return users


async def forget(session: AsyncSession, wechat_user: WechatUser, *, now: datetime) -> None:
    """Erase a WeChat user who unsubscribed or revoked: what they recorded as a person stays."""
    await session.execute(
        update(CallbackReceipt)
        .where(CallbackReceipt.content["openid"].astext == wechat_user.openid)
        .values(content=None)
    )
    wechat_user.person_id = wechat_user.bound_at = None
    wechat_user.openid = wechat_user.unionid = None
    wechat_user.subscribed = False
    wechat_user.erased_at = now
    await end_logins(session, wechat_user, now=now)
    await permits.void_all(session, wechat_user, now=now)
    for table in (HeldMessage, Conversation, Subscription):
        await session.execute(delete(table).where(table.wechat_user_id == wechat_user.id))
    mine = Application.wechat_user_id == wechat_user.id
    await session.execute(
        update(Application)
        .where(mine, Application.state == ApplicationState.pending)
        .values(state=ApplicationState.declined, decided_at=now, reason="申请人已取消关注")
    )
    await session.execute(
        update(Application).where(mine).values(name=None, phone=None, organisation=None)
    )
    await session.flush()


async def end_logins(session: AsyncSession, wechat_user: WechatUser, *, now: datetime) -> None:
    """Sign the WeChat user out everywhere."""
    await session.execute(
        update(Login)
        .where(Login.wechat_user_id == wechat_user.id, Login.ended_at.is_(None))
        .values(ended_at=now)
    )


async def _locked(
    session: AsyncSession, wechat_user_id: UUID, person_id: UUID
) -> tuple[WechatUser, Person]:
    # Without blocking the foreign keys of whatever the person records meanwhile.
    user = await session.get_one(
        WechatUser, wechat_user_id, with_for_update={"key_share": True}, populate_existing=True
    )
    person = await session.get_one(
        Person, person_id, with_for_update={"key_share": True}, populate_existing=True
    )
    return user, person


async def _attach(
    session: AsyncSession, user: WechatUser, person: Person, *, now: datetime, via: str
) -> None:
    user.person_id, user.bound_at = person.id, now
    user.failed_codes, user.failed_code_at = 0, None
    await session.flush()
    await consents.carry_over(session, user, person)
    await session.execute(
        update(Application)
        .where(Application.wechat_user_id == user.id, Application.state == ApplicationState.pending)
        .values(state=ApplicationState.joined, person_id=person.id, decided_at=now)
    )
    await audit.record(
        session,
        None,
        "bind",
        f"person:{person.code}",
        now=now,
        via=via,
        after={"app": user.app.value, "wechat_user": str(user.id)},
    )
    await queue.defer(session, "release_held", wechat_user_id=str(user.id))


async def _ask_replacement(
    session: AsyncSession, user: WechatUser, person: Person, now: datetime
) -> None:
    asked = {"kind": ApplicationKind.replacement, "person_id": person.id}
    await session.execute(
        insert(Application)
        .values(
            id=uuid7(),
            wechat_user_id=user.id,
            state=ApplicationState.pending,
            created_at=now,
            **asked,
        )
        .on_conflict_do_update(
            index_elements=[Application.wechat_user_id],
            index_where=text("state = 'pending'"),
            set_=asked,
        )
    )
