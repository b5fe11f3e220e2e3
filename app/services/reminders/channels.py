"""Channels: the ladder by which somebody can be reached now, and why they cannot."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import App, Channel, SendPermit, WechatUser
from app.settings import MessageTemplate, Settings

# A message opens a window of 48 hours in which we may speak first; a minute is lost on the way.
WINDOW = timedelta(hours=48) - timedelta(minutes=1)

NOT_BOUND = "未绑定微信"
UNFOLLOWED = "已取消关注服务号"
ONLY_MINI_PROGRAM = "没有关注服务号，小程序也没有可发次数"
NO_PERMIT = "没有可发次数，48小时内也没有来信"
NOTHING_SET = "服务号没有设置消息模板，48小时内也没有来信"
TRIED_ALL = "各种渠道都没有送达"


@dataclass(frozen=True, slots=True)
class Rung:
    """A channel by which one person can be sent to just now; `permit_id` is what it would cost.

    A permit that stands for many sends costs nothing and has no id here.
    """

    channel: Channel
    wechat_user_id: UUID
    openid: str
    template_id: str | None
    permit_id: UUID | None = None


def template_of(channel: Channel, settings: Settings) -> MessageTemplate | None:
    """The template that a channel speaks by; none for customer service, or where none is set."""
    templates = settings.templates
    return {
        Channel.long_term: templates.reminder_long_term,
        Channel.template: templates.reminder,
        Channel.mini_program: templates.reminder_mini_program,
        Channel.service_account: templates.reminder_service_account,
    }.get(channel)


async def channel_of(
    session: AsyncSession, person_ids: Collection[UUID], settings: Settings, *, now: datetime
) -> dict[UUID, tuple[Channel | None, str]]:
    """By person: the first channel that a send at `now` would try, or None with the reason.

    The reason is empty where there is a channel. Reads only.
    """
    ladders, reasons = await ladders_of(session, person_ids, settings, now=now)
    return {
        person: (ladders[person][0].channel, "") if ladders[person] else (None, reasons[person])
        for person in person_ids
    }


async def ladders_of(
    session: AsyncSession, person_ids: Collection[UUID], settings: Settings, *, now: datetime
) -> tuple[Mapping[UUID, Sequence[Rung]], Mapping[UUID, str]]:
    """By person: all rungs in their order, and the reason of those who have none."""
    users: dict[UUID, dict[App, _User]] = defaultdict(dict)
    rows = await session.execute(
        select(
            WechatUser.person_id,
            WechatUser.app,
            WechatUser.id,
            WechatUser.openid,
            WechatUser.subscribed,
            WechatUser.last_message_at,
        ).where(WechatUser.person_id == _any_of(person_ids), WechatUser.openid.is_not(None))
    )
    for person_id, app, id_, openid, subscribed, last_message_at in rows:
        if person_id is not None and openid is not None:
            users[person_id][app] = _User(id_, openid, subscribed, last_message_at)
    permits = await _permits(session, users, settings)
    ladders, reasons = {}, {}
    for person in person_ids:
        theirs = users.get(person, {})
        ladders[person] = _ladder(theirs, permits, settings, now)
        if not ladders[person]:
            reasons[person] = _reason(theirs, settings)
    return ladders, reasons


@dataclass(frozen=True, slots=True)
class _User:
    id: UUID
    openid: str
    subscribed: bool
    last_message_at: datetime | None


def _any_of(ids: Collection[UUID]) -> ColumnElement[UUID]:
    """As one parameter: planning asks about many thousands."""
    return func.any(cast(list(ids), ARRAY(Uuid)))


_Permits = Mapping[tuple[UUID, str], SendPermit]


async def _permits(
    session: AsyncSession, users: Mapping[UUID, Mapping[App, _User]], settings: Settings
) -> _Permits:
    """The oldest usable permit of each user for each template; one that stands before any other."""
    asked = []
    for channel, app in (
        (Channel.long_term, App.service_account),
        (Channel.mini_program, App.mini_program),
        (Channel.service_account, App.service_account),
    ):
        if template := template_of(channel, settings):
            asked += [(theirs[app].id, template.id) for theirs in users.values() if app in theirs]
    found: dict[tuple[UUID, str], SendPermit] = {}
    if not asked:
        return found
    rows = await session.scalars(
        select(SendPermit)
        .where(
            SendPermit.wechat_user_id == _any_of({user for user, _ in asked}),
            SendPermit.template_id.in_({template for _, template in asked}),
            SendPermit.used_at.is_(None),
            SendPermit.void_at.is_(None),
        )
        .order_by(SendPermit.standing.desc(), SendPermit.granted_at, SendPermit.id)
    )
    for permit in rows:
        found.setdefault((permit.wechat_user_id, permit.template_id), permit)
    return found


def _ladder(
    theirs: Mapping[App, _User], permits: _Permits, settings: Settings, now: datetime
) -> list[Rung]:
    rungs: list[Rung] = []
    follower, player = theirs.get(App.service_account), theirs.get(App.mini_program)

    def add(channel: Channel, user: _User | None, *, costs: bool) -> None:
        template = template_of(channel, settings)
        if user is None or template is None:
            return
        if not costs:
            rungs.append(Rung(channel, user.id, user.openid, template.id))
        elif permit := permits.get((user.id, template.id)):
            paid = None if permit.standing else permit.id
            rungs.append(Rung(channel, user.id, user.openid, template.id, paid))

    # Whoever has unfollowed has only their permits left until they are heard of again.
    present = follower if follower is not None and follower.subscribed else None
    add(Channel.long_term, follower, costs=True)
    add(Channel.template, present, costs=False)
    add(Channel.mini_program, player, costs=True)
    add(Channel.service_account, follower, costs=True)
    wrote_at = present.last_message_at if present else None
    if present is not None and wrote_at is not None and now - wrote_at < WINDOW:
        rungs.append(Rung(Channel.customer_service, present.id, present.openid, None))
    return rungs


def _reason(theirs: Mapping[App, _User], settings: Settings) -> str:
    follower = theirs.get(App.service_account)
    if not theirs:
        return NOT_BOUND
    if follower is None:
        return ONLY_MINI_PROGRAM
    if not follower.subscribed:
        return UNFOLLOWED
    templates = settings.templates
    if templates.reminder_service_account or templates.reminder_mini_program:
        return NO_PERMIT
    return NOTHING_SET
