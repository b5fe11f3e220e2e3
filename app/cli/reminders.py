"""Reminding people: `remind`."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.shell import app, read_settings, with_state

if TYPE_CHECKING:
    from app.services.reminders.lists import Outcome
    from app.services.reminders.planning import Notice
    from app.state import State

_CALL_LIST = "call list"
_AT = time(9)
_YEARS = (2000, 2100)


@app.command()
def remind(
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="当作这一天的 9:00；默认是现在。"),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只列出会提醒谁，什么都不写，什么都不发。")
    ] = False,
) -> None:
    """计算并发出进度提示，每人一行：编码、姓名、类别、缘由、渠道（或 call list）、结果。"""
    from app import clock

    instant = None if as_of is None else datetime.combine(_day(as_of), _AT, clock.LAKE)
    settings = read_settings()

    async def run(state: "State") -> None:
        await (_look(state, instant) if dry_run else _send(state, instant))

    with_state(settings, run)


def _day(said: str) -> date:
    """Years as everywhere in the API: beyond them there is nothing to plan."""
    try:
        day = datetime.strptime(said, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        day = None
    if day is None or not _YEARS[0] <= day.year <= _YEARS[1]:
        raise typer.BadParameter(
            f"--as-of 的日期不对：{said}。请写成 2026-06-16 这样，年份在 2000 到 2100 之间。"
        )
    return day


async def _look(state: "State", as_of: datetime | None) -> None:
    from app import clock
    from app.services import rulebook
    from app.services.reminders import planning

    async with state["sessions"]() as session:
        await rulebook.keep(session, state["settings"], now=clock.now())
        found = await planning.plan(
            session, state["settings"], now=clock.now(), as_of=as_of, dry_run=True
        )
    if not found.is_workday:
        _say_day_off(found.day.isoformat())
    for notice in found.notices:
        _print([*_of(notice), notice.channel or _CALL_LIST])


async def _send(state: "State", as_of: datetime | None) -> None:
    from app import clock
    from app.services import rulebook
    from app.services.reminders import claiming, delivering, lists, planning

    settings, sessions, now = state["settings"], state["sessions"], clock.now()
    await rulebook.keep_apart(sessions, settings, now=now)
    async with sessions.begin() as session:
        found = await planning.plan(session, settings, now=now, as_of=as_of)
    if not found.is_workday:
        _say_day_off(found.day.isoformat())
        return
    async with sessions() as session:
        # With those of a run that was cut short.
        ids = [*found.ids, *await lists.waiting(session, found.day, except_for=found.ids)]
    if ids and as_of is None and not claiming.is_sending_time(settings, now):
        typer.echo("现在不在提醒时间，已排队，到下一个时段发出。", err=True)
    await delivering.deliver_due(sessions, state["wechat"], settings, now=now, only=ids)
    async with sessions() as session:
        outcomes: Sequence[Outcome] = await lists.outcomes(session, ids)
    for each in outcomes:
        reason = _with(each.about, each.reason or "")
        called = each.state == "call_list"
        channel = _CALL_LIST if called else each.channel or "-"
        _print([each.code, each.name, each.kind, reason, channel, each.state])


def _of(notice: "Notice") -> list[str]:
    return [notice.code, notice.name, notice.kind, _with(notice.about, notice.reason)]


def _with(about: str, reason: str) -> str:
    return f"{about}（{reason}）" if about and reason else about or reason


def _say_day_off(day: str) -> None:
    typer.echo(f"{day} 不是工作日，不提醒。", err=True)


def _print(cells: Sequence[str]) -> None:
    # A tab or a line break in a name would make other columns of it.
    typer.echo("\t".join(" ".join(str(cell).split()) for cell in cells))
