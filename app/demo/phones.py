"""The people's telephones when the simulated WeChat starts: who follows, what leave they gave.

The simulated WeChat keeps nothing; what we were told before it ended must hold there again.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.demo import dataset, duties, people
from app.models import App, Person, SendPermit, WechatUser
from app.settings import Settings
from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.state import openid_of


async def switched_on(session: AsyncSession, settings: Settings) -> list[PersonConfig]:
    """Everybody of the demo dataset who has a telephone; the guests, who are to be tried, first.

    At the first start whoever is going to be bound follows.
    """
    follow = set(people.following(duties.walkers()))
    followers = await session.execute(
        select(WechatUser.openid, WechatUser.subscribed).where(
            WechatUser.app == App.service_account
        )
    )
    known = {row.openid: row.subscribed for row in followers}
    permits = await _permits(session)
    app_id = settings.service_account.app_id
    rows = sorted(dataset.rows("people"), key=lambda row: row["code"] not in people.GUESTS)
    return [
        PersonConfig(
            key=row["code"],
            name=row["name"],
            phone=row["phone"],
            follows=known.get(openid_of(app_id, row["code"]), row["code"] in follow),
            permits=permits.get(row["code"], {}),
        )
        for row in rows
        if row["phone"]
    ]


async def _permits(session: AsyncSession) -> Mapping[str, Counter[str]]:
    """What is left in our ledger: person code → template id → how many."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    rows = await session.execute(
        select(Person.code, SendPermit.template_id, func.count())
        .join(WechatUser, WechatUser.id == SendPermit.wechat_user_id)
        .join(Person, Person.id == WechatUser.person_id)
        .where(SendPermit.used_at.is_(None), SendPermit.void_at.is_(None))
        .group_by(Person.code, SendPermit.template_id)
    )
    for code, template_id, count in rows:
        found[code][template_id] = count
    return found
