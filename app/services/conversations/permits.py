"""Permits asked for in the chat: a link to the page where leave to be reminded is given."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import replies
from app.models import WechatUser
from app.services import messages, subscriptions
from app.settings import Settings


async def ask(
    session: AsyncSession, users: Collection[WechatUser], settings: Settings, *, now: datetime
) -> None:
    """Send the link to those who have no permit left, once a month; they have just checked in.

    Nobody is asked while followers can be sent template messages, which need no leave.
    """
    template = settings.templates.reminder_service_account
    if template is None or settings.templates.reminder is not None:
        return
    asked = await subscriptions.ask(
        session,
        [user.id for user in users],
        template.id,
        few=1,
        apart=subscriptions.ASKED_IN_CHAT_APART,
        now=now,
    )
    for user in users:
        if user.id in asked:
            await messages.tell(
                session,
                kind="ask-permits",
                text=replies.ask_permits(f"{settings.public_url}/my/permits"),
                person_id=user.person_id,
                wechat_user_id=user.id,
                now=now,
            )
