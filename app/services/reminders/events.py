"""Events: what WeChat tells of sends, and of people's leave to send, taken to the right book."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import App, WechatUser
from app.services import wechat_users
from app.services.reminders import outcomes, permits
from app.services.reminders.outcomes import Told
from app.settings import Settings
from app.wechat.callback import Incoming
from app.wechat.messages import SubscribeChange, SubscribePopup, SubscribeSent, TemplateSent

KINDS = (SubscribePopup, SubscribeChange, SubscribeSent, TemplateSent)


async def book(
    session: AsyncSession,
    pushes: Sequence[Incoming],
    users: Mapping[tuple[App, str], WechatUser],
    settings: Settings,
) -> None:
    """Book these events, of either app. `users` are their senders that we have met, locked.

    Whoever grants something before we have met is met now.
    """
    granted: list[permits.Told] = []
    told: list[Told] = []
    now: datetime | None = None
    for push in sorted(pushes, key=lambda each: (each.app, each.message.openid)):
        message, now = push.message, push.received_at
        user = users.get((push.app, message.openid))
        match message:
            case SubscribePopup() | SubscribeChange():
                if user is None and message.items:
                    user = await wechat_users.met(session, push.app, message.openid, now=now)
                if user is not None:
                    granted.append((user, message))
            case TemplateSent() if user is not None:
                told.append(
                    outcomes.told_of_template(user, message.msg_id, message.status, message.sent_at)
                )
            case SubscribeSent() if user is not None:
                told += [
                    outcomes.told_of_subscription(
                        user,
                        item.template_id,
                        item.error_code,
                        message.sent_at,
                        mini_program=push.app is App.mini_program,
                    )
                    for item in message.items
                ]
    await permits.book(session, granted, settings)
    if now is not None:
        await outcomes.book_told(session, told, now=now)
