"""Who of the demo has a WeChat that we know: bound, following, and what they agreed to."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.demo import dataset
from app.models import App, Consent, NoticeKind, Person, WechatUser
from app.services import bindings, consents, wechat_users
from app.settings import Settings
from app.wechat.simulator.state import openid_of, unionid_of

# Left to the visitor, who binds them.
GUESTS = frozenset({"P077", "P139"})
# Who never followed the service account: their WeChat is known from the mini-program alone.
MINI_ONLY = frozenset({"P131"})
# Who looks and is told, and does not walk; one who said no; one who blocked the account.
LOOKERS = ("P005", "P006", "P010", "P032", "P039", "P040", "P138")
REFUSED = "P064"
LEFT, LEFT_ON = "P132", date(2026, 7, 15)
_EARLY = time(1, 30, tzinfo=UTC)


def bound(walkers: frozenset[str]) -> list[str]:
    """The codes of those who are bound: whoever walks or looks, and has a telephone."""
    wanted = walkers | {*LOOKERS, REFUSED, LEFT}
    return sorted(wanted & dataset.phones().keys() - GUESTS)


def following(walkers: frozenset[str]) -> list[str]:
    """Those of them who still follow the service account."""
    return [code for code in bound(walkers) if code != LEFT and code not in MINI_ONLY]


async def bind(
    session: AsyncSession, settings: Settings, walkers: frozenset[str], first: Mapping[str, date]
) -> None:
    """Bind everybody who is to be, as of shortly before their first outing (`first`, by code).

    Whoever is bound already is left alone.
    """
    wanted = bound(walkers)
    people = {
        person.code: person
        for person in await session.scalars(select(Person).where(Person.code.in_(wanted)))
    }
    taken = set(
        await session.scalars(select(WechatUser.person_id).where(WechatUser.person_id.is_not(None)))
    )
    left_at = datetime.combine(LEFT_ON, _EARLY)
    gone = await session.scalar(select(WechatUser.id).where(WechatUser.erased_at == left_at))
    for code in wanted:
        person = people.get(code)
        if person is None or person.id in taken or (code == LEFT and gone):
            continue
        on = first.get(code, date(2026, 6, 3)) - timedelta(days=3)
        at = datetime.combine(on, _EARLY)
        app = App.mini_program if code in MINI_ONLY else App.service_account
        account = settings.mini_program if code in MINI_ONLY else settings.service_account
        openid = openid_of(account.app_id, code)
        user = await wechat_users.met(session, app, openid, now=at, unionid=unionid_of(code))
        if app is App.service_account:
            user.subscribed, user.last_message_at = True, at
        await bindings.bind(session, user, person, now=at, via="phone")
        if code == REFUSED:
            await consents.record(session, user, NoticeKind.position, agreed=False, now=at)
        if code == LEFT:
            await bindings.forget(session, user, now=left_at)


async def agree(
    session: AsyncSession,
    first: Mapping[str, date],
    trackers: Mapping[str, date],
) -> None:
    """Record consents: for positions on the day of the first outing, for tracks of the first track.

    Whoever answered already is left alone.
    """
    wanted = {code for code in {*first, *trackers} if code != REFUSED}
    users = {
        code: user
        for user, code in await session.execute(
            select(WechatUser, Person.code)
            .join(Person, Person.id == WechatUser.person_id)
            .where(Person.code.in_(wanted))
            .order_by(WechatUser.app)
        )
    }
    answered = {
        (person_id, notice)
        for person_id, notice in await session.execute(
            select(Consent.person_id, Consent.notice).distinct()
        )
    }
    for notice, days in ((NoticeKind.position, first), (NoticeKind.track, trackers)):
        for code, on in days.items():
            user = users.get(code)
            if user is not None and (user.person_id, notice) not in answered:
                at = datetime.combine(on, time(0, 5, tzinfo=UTC)) - timedelta(hours=1)
                await consents.record(session, user, notice, agreed=True, now=at)
