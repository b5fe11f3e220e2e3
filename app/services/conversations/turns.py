"""Turns: one message of somebody's, and all that is needed to answer it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import ScalarSelect, select
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

    `consent` to the use of positions: None when the notice in force was never answered. The user's
    row is locked, which stands for the conversation: one sender's messages are answered one after
    the other.
    """

    session: AsyncSession
    settings: Settings
    keys: Keys
    user: WechatUser
    person: Person | None
    consent: bool | None
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


@dataclass(frozen=True, slots=True)
class Standing:
    """How a WeChat user stands with us."""

    person: Person | None
    consent: bool | None
    conversation: Conversation


async def standing_of(session: AsyncSession, user: WechatUser, now: datetime) -> Standing:
    """Person (only if on the roster today), consent and conversation of a user who is locked.

    The conversation is made on the first meeting.
    """
    row = (
        await session.execute(
            select(Person, Conversation, *_latest_consent(user))
            .select_from(WechatUser)
            .outerjoin(Person, Person.id == WechatUser.person_id)
            .outerjoin(Conversation, Conversation.wechat_user_id == WechatUser.id)
            .where(WechatUser.id == user.id)
            .execution_options(populate_existing=True)
        )
    ).one()
    person: Person | None = row[0]
    conversation: Conversation | None = row[1]
    if conversation is None:
        conversation = Conversation(wechat_user_id=user.id, note_taken=False)
        session.add(conversation)
        await session.flush()
    if person is not None and not person.is_on_roster(clock.day_of(now)):
        person = None
    return Standing(person, _meaning(*row[2:]), conversation)


async def consent_of(session: AsyncSession, user: WechatUser) -> bool | None:
    """Whether positions may be used; None when the notice in force was never answered."""
    return _meaning(*(await session.execute(select(*_latest_consent(user)))).one())


def _latest_consent(user: WechatUser) -> tuple[ScalarSelect[bool], ScalarSelect[int]]:
    """The person's latest answer, or the WeChat user's own before they were bound."""
    whose = (
        Consent.wechat_user_id == user.id
        if user.person_id is None
        else Consent.person_id == user.person_id
    )
    latest = (
        select(Consent)
        .where(whose, Consent.notice == NoticeKind.position)
        .order_by(Consent.recorded_at.desc(), Consent.id.desc())
        .limit(1)
    )
    return (
        latest.with_only_columns(Consent.agreed).scalar_subquery(),
        latest.with_only_columns(Consent.version).scalar_subquery(),
    )


def _meaning(agreed: bool | None, version: int | None) -> bool | None:
    outdated = bool(agreed) and version != NOTICES[NoticeKind.position].version
    return None if outdated else agreed
