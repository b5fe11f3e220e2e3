"""Reminders of the past: those of the two weeks before the demo's first start, as already told.

Planned and delivered by the services, each workday as at nine o'clock of that day; only WeChat is
one that takes everything and shows it to nobody, or dozens of telephones would ring at the start.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count

import httpx
from sqlalchemy import select, update

from app import clock
from app.models import Delivery, DeliveryState, Reminder, WechatUser
from app.services.reminders import delivering, outcomes, planning
from app.state import State
from app.wechat.client import open_wechat

DAYS = 14
_NINE, _MINUTE = timedelta(hours=9), timedelta(minutes=1)
# Beyond any number that the simulated WeChat gives.
_MSGIDS = count(1)


async def before(state: State, first_day: date) -> None:
    """Tell what would have been told before `first_day`; nothing if anybody was told anything."""
    async with state["sessions"]() as session:
        if await session.scalar(select(Reminder.id).limit(1)) is not None:
            return
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(_takes_everything), base_url="http://wechat"
    ) as http:
        for day in _workdays(first_day):
            await _tell(state, day, http)


def _workdays(first_day: date) -> Iterator[date]:
    days = (first_day - timedelta(days=n) for n in range(DAYS, 0, -1))
    return (day for day in days if clock.is_workday(day))


async def _tell(state: State, day: date, http: httpx.AsyncClient) -> None:
    sessions, settings = state["sessions"], state["settings"]
    nine = clock.start_of(day) + _NINE
    async with sessions.begin() as session:
        # From the evening before: of a day that is not today only what counts up to it is seen.
        plan = await planning.plan(session, settings, now=clock.start_of(day) - _MINUTE, as_of=nine)
    ids = [notice.id for notice in plan.notices]
    wechat = open_wechat(http, settings, sessions, now=lambda: nine)
    await delivering.deliver_due(sessions, wechat, settings, now=nine, only=ids)
    async with sessions.begin() as session:
        sent = await session.execute(
            select(WechatUser, Delivery.msgid)
            .join(Delivery, Delivery.wechat_user_id == WechatUser.id)
            .where(Delivery.reminder_id.in_(ids), Delivery.state == DeliveryState.sent)
        )
        told = [
            outcomes.told_of_template(user, msgid, "success", nine + _MINUTE)
            for user, msgid in sent
            if msgid is not None
        ]
        await outcomes.book_told(session, told, now=nine + _MINUTE)
        await session.execute(
            update(Reminder).where(Reminder.id.in_(ids)).values(planned_at=nine, as_of=None)
        )


def _takes_everything(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/stable_token"):
        return httpx.Response(200, json={"access_token": "demo", "expires_in": 7200})
    return httpx.Response(200, json={"errcode": 0, "errmsg": "ok", "msgid": next(_MSGIDS)})
