"""Turns: one message of somebody's, and all that is needed to answer it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, exists, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain.notices import NOTICES
from app.keys import Keys
from app.models import (
    App,
    ChatMedia,
    Consent,
    Conversation,
    MediaKind,
    MediaState,
    NoticeKind,
    Person,
    WechatUser,
)
from app.settings import Settings
from app.wechat.messages import Message


@dataclass(slots=True)
class Turn:
    """Whose turn it is, what they sent, and what the chat is about; `person` only on the roster.

    `consent` to the use of positions: None when the notice in force was never answered. Loose
    photos are those that may yet join a location, or change over to another one. The user's
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
    has_loose_photos: bool
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
    has_loose_photos: bool


async def standing_of(session: AsyncSession, user: WechatUser, now: datetime) -> Standing:
    """The standing of one user, who is locked."""
    return (await standings_of(session, [user], now))[user.id]


async def standings_of(
    session: AsyncSession, users: Collection[WechatUser], now: datetime
) -> Mapping[UUID, Standing]:
    """Person (only if on the roster today), consent and conversation of users who are locked.

    By their ids. A conversation is made on the first meeting.
    """
    rows = await session.execute(
        select(WechatUser.id, Person, Conversation, _CONSENT, _HAS_LOOSE_PHOTOS)
        .outerjoin(Person, Person.id == WechatUser.person_id)
        .outerjoin(Conversation, Conversation.wechat_user_id == WechatUser.id)
        .where(WechatUser.id.in_([user.id for user in users]))
        .execution_options(populate_existing=True)
    )
    today = clock.day_of(now)
    standings = {}
    new = []
    for id_, person, conversation, consent, has_loose_photos in rows:
        # Outer joins: either may be None, whatever the types say.
        known: Conversation | None = conversation
        if known is None:
            new.append(known := Conversation(wechat_user_id=id_, note_taken=False))
        someone: Person | None = person
        if someone is not None and not someone.is_on_roster(today):
            someone = None
        standings[id_] = Standing(someone, consent, known, has_loose_photos)
    if new:
        session.add_all(new)
        await session.flush()
    return standings


async def consent_of(session: AsyncSession, user: WechatUser) -> bool | None:
    """Whether positions may be used; None when the notice in force was never answered."""
    return await session.scalar(select(_CONSENT).where(WechatUser.id == user.id))


def _latest(whose: ColumnElement[bool]) -> ScalarSelect[bool | None]:
    """The latest answer; none where it was a yes to another version than the one in force."""
    outdated = and_(Consent.agreed, Consent.version != NOTICES[NoticeKind.position].version)
    return (
        select(case((outdated, null()), else_=Consent.agreed))
        .where(whose, Consent.notice == NoticeKind.position)
        .order_by(Consent.recorded_at.desc(), Consent.id.desc())
        .limit(1)
        .correlate(WechatUser)
        .scalar_subquery()
    )


# The person's latest answer, or the WeChat user's own before they were bound.
_CONSENT = case(
    (WechatUser.person_id.is_(None), _latest(Consent.wechat_user_id == WechatUser.id)),
    else_=_latest(Consent.person_id == WechatUser.person_id),
)
_HAS_LOOSE_PHOTOS = exists().where(
    ChatMedia.wechat_user_id == WechatUser.id,
    ChatMedia.kind == MediaKind.image,
    ChatMedia.state != MediaState.failed,
    ChatMedia.photo_id.is_(None),
)
