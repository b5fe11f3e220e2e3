"""WeChat users: the identities we have met, and which of them are the same human being."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.models import App, WechatUser, uuid7


async def met(
    session: AsyncSession, app: App, openid: str, *, now: datetime, unionid: str | None = None
) -> WechatUser:
    """The row of this identity, made on the first meeting.

    A new follower's unionid is looked up by a job; mini-programs bring theirs along.
    """
    new = insert(WechatUser).values(
        id=uuid7(), app=app, openid=openid, unionid=unionid, created_at=now
    )
    user = (
        await session.scalars(
            new.on_conflict_do_update(
                index_elements=[WechatUser.app, WechatUser.openid],
                set_={"unionid": func.coalesce(new.excluded.unionid, WechatUser.unionid)},
            ).returning(WechatUser),
            execution_options={"populate_existing": True},
        )
    ).one()
    await ask_unionid(session, user, now=now)
    return user


async def locked(
    session: AsyncSession, identities: Collection[tuple[App, str]]
) -> dict[tuple[App, str], WechatUser]:
    """The rows of those identities that we have met, locked in the order of their ids."""
    rows = await session.scalars(
        select(WechatUser)
        .where(tuple_(WechatUser.app, WechatUser.openid).in_(identities))
        .order_by(WechatUser.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {(user.app, user.openid): user for user in rows if user.openid is not None}


async def ask_unionid(session: AsyncSession, user: WechatUser, *, now: datetime) -> None:
    """Have a job look up a follower's unionid, once."""
    if user.app is App.service_account and user.unionid is None and user.unionid_asked_at is None:
        user.unionid_asked_at = now
        await session.flush()
        await queue.defer(session, "look_up_unionid", wechat_user_id=str(user.id))
