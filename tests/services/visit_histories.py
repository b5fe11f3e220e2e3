"""Random histories of what reports on visits count: those of duties, and what they leave out."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import select

from app import clock, models
from app.models import DeliveryState, Reminder, ReminderState
from app.models.post import AreaKind
from app.services import credits
from app.services.reminders import planning
from app.settings import Settings
from tests.conftest import Lake
from tests.factories import LONG_AGO, a_wechat_user
from tests.services import duty_histories
from tests.services.duty_histories import History, Step

steps = st.lists(
    st.tuples(*(st.integers(0, most) for most in (21, 3, 4, 6, 7))), min_size=6, max_size=26
)


async def withdraw(history: History, a: int, _b: int, _c: int, _d: int) -> None:
    """Take a check-in back, as `取消` in the chat does."""
    if not history.check_ins:
        return
    _, url = history.check_ins[-1 - a % len(history.check_ins)]
    check_in = await history.session.get_one(models.CheckIn, url.rsplit("/", 1)[1])
    await history.session.refresh(check_in)
    check_in.withdrawn_at = check_in.withdrawn_at or history.now
    await credits.judge(history.session, [check_in.patrol_id], now=history.now)
    await history.session.commit()


async def from_paper(history: History, a: int, b: int, c: int, d: int) -> None:
    """An outing of some days ago, of which there is only paper; perhaps withdrawn later on."""
    who = history.people[a % len(history.people)].person
    at = history.now - timedelta(days=b, hours=5)
    areas: list[dict[str, Any]] = [{"area_kind": AreaKind.any}]
    for kind, model in (
        (AreaKind.reach, models.Reach),
        (AreaKind.grid_cell, models.GridCell),
        (AreaKind.stele, models.Stele),
    ):
        rows = (await history.session.scalars(select(model.id).order_by(model.code))).all()
        areas += [{"area_kind": kind, f"{kind.value}_id": id_} for id_ in rows]
    patrol = models.Patrol(
        id=history.new_id(),
        person_id=who.id,
        organisation_id=who.organisation_id,
        state=models.PatrolState.finished,
        origin=models.PatrolOrigin.paper,
        started_at=at,
        started_on=clock.day_of(at),
        finished_at=at + timedelta(minutes=30 * c),
        duration_s=1800 * c if d % 2 else None,
        distance_m=float(700 * c),
        received_at=history.now,
        retired_on=clock.day_of(history.now) if d == 7 else None,
        **areas[(c + d) % len(areas)],
    )
    history.session.add(patrol)
    await history.session.flush()
    await credits.judge(history.session, [patrol.id], now=history.now)
    await history.session.commit()


async def retire_a_cell(history: History, a: int, b: int, _c: int, _d: int) -> None:
    """From a day on, or not after all."""
    cells = (
        await history.session.scalars(select(models.GridCell).order_by(models.GridCell.code))
    ).all()
    day = clock.day_of(history.now) - timedelta(days=b)
    cells[a % len(cells)].retired_on = day if b < 4 else None
    await history.session.commit()


async def remind(history: History, a: int, b: int, c: int, d: int) -> None:
    """Plan what people are told, and have some of it end somehow."""
    settings = Settings(_env_file=None)
    history.pass_time(1)
    await planning.plan(history.session, settings, now=history.now)
    rows = await history.session.scalars(
        select(Reminder)
        .where(Reminder.state.in_((ReminderState.queued, ReminderState.call_list)))
        .order_by(Reminder.id)
        .execution_options(populate_existing=True)
    )
    states = [*ReminderState, ReminderState.sent, ReminderState.sent, ReminderState.confirmed]
    for n, reminder in enumerate(rows):
        reminder.state = states[(a + b + c + d + n) % len(states)]
        if reminder.state in {ReminderState.sent, ReminderState.confirmed, ReminderState.unknown}:
            reminder.sent_at = history.now
        if (n + d) % 3 == 0 and reminder.state in {ReminderState.call_list, ReminderState.unknown}:
            await _attempt(history, reminder)
    await history.session.commit()


async def _attempt(history: History, reminder: Reminder) -> None:
    user = await a_wechat_user(history.session, created_at=LONG_AGO)
    history.session.add(
        models.Delivery(
            reminder_id=reminder.id,
            channel=models.Channel.template,
            wechat_user_id=user.id,
            client_msg_id=history.new_id(),
            state=DeliveryState.failed,
            started_at=history.now,
            answered_at=history.now,
        )
    )


Deed = Callable[[History, int, int, int, int], Awaitable[Any]]
DEEDS: tuple[Deed, ...] = (
    duty_histories.check_in,
    duty_histories.check_in,
    duty_histories.check_in,
    duty_histories.check_in,
    duty_histories.check_in,
    duty_histories.start,
    duty_histories.start,
    duty_histories.finish,
    duty_histories.finish,
    duty_histories.review,
    duty_histories.review,
    duty_histories.decline,
    duty_histories.walk,
    duty_histories.amend,
    duty_histories.close_overdue,
    duty_histories.move_house,
    withdraw,
    from_paper,
    from_paper,
    retire_a_cell,
    remind,
    remind,
)


async def take(history: History, step: Step) -> None:
    """One step, some hours after the last."""
    kind, a, b, c, d = step
    history.pass_time((0.25, 1, 5, 14, 30)[b % 5])
    await DEEDS[kind % len(DEEDS)](history, a, b, c, d)
    await history.date_versions()


async def share(history: History, lake: Lake) -> None:
    """To begin with: Li and Chen, of two organisations, out together, and finished."""
    await duty_histories.start(history, 0, 0, 1, 0b100)
    await duty_histories.check_in(history, 0, 0, 0, 5)
    await duty_histories.finish(history, 0, 0, 0, 0)
    assert lake.east_branch.id != lake.enterprise.id
