"""Turns: one message of somebody's, and all that is needed to answer it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain.notices import NOTICES
from app.keys import Keys
from app.models import App, Consent, Conversation, NoticeKind, Person, WechatUser
from app.settings import Settings
from app.wechat.messages import Message


@dataclass(slots=True)
class Turn:
    """Whose turn it is, what they sent, and what the chat is about; `person` only on the roster.

    The conversation's row is locked: messages of one sender are answered one after the other.
    """

    session: AsyncSession
    settings: Settings
    keys: Keys
    user: WechatUser
    person: Person | None
    conversation: Conversation
    message: Message
    now: datetime

    def ask(self, kind: str, **about: Any) -> None:
        """Remember a question whose answer will be a number, a yes or a no."""
        self.conversation.question = {"kind": kind, **about}
        self.conversation.asked_at = self.now

    def forget_question(self) -> None:
        """The question was answered, or is no longer worth an answer."""
        self.conversation.question = self.conversation.asked_at = None


def check_in_id(app: App, key: str) -> UUID:
    """The id of the check-in that the message with this key makes: the same on every retry."""
    return uuid5(NAMESPACE_URL, f"xunhe:{app}:{key}")


async def conversation_of(session: AsyncSession, user: WechatUser) -> Conversation:
    """The user's conversation, locked; made on the first meeting."""
    found = await session.get(Conversation, user.id, with_for_update=True, populate_existing=True)
    if found is not None:
        return found
    await session.execute(
        insert(Conversation)
        .values(wechat_user_id=user.id, note_taken=False)
        .on_conflict_do_nothing()
    )
    return await session.get_one(Conversation, user.id, with_for_update=True)


async def person_of(session: AsyncSession, user: WechatUser, now: datetime) -> Person | None:
    """The person whom the user is bound to, if on the roster today."""
    if user.person_id is None:
        return None
    person = await session.get(Person, user.person_id)
    return person if person is not None and person.is_on_roster(clock.day_of(now)) else None


async def consent_of(session: AsyncSession, user: WechatUser, person: Person | None) -> bool | None:
    """Whether positions may be used; None when the notice in force was never answered."""
    whose = (
        Consent.person_id == person.id if person is not None else Consent.wechat_user_id == user.id
    )
    latest = await session.scalar(
        select(Consent)
        .where(whose, Consent.notice == NoticeKind.position)
        .order_by(Consent.recorded_at.desc(), Consent.id.desc())
        .limit(1)
    )
    if latest is None or (latest.agreed and latest.version != NOTICES[NoticeKind.position].version):
        return None
    return latest.agreed
